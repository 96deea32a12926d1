/** How a server that does not answer is left alone. Pure: time is an argument, in milliseconds since the epoch. */
export type Patience = { readonly failures: number; readonly until: number; readonly why: string };

export const patient: Patience = { failures: 0, until: 0, why: '' };

const firstMs = 1_000;
const longestMs = 30_000;
/** What a server asks for with Retry-After is kept to, up to this. */
const longestAskedMs = 60 * 60_000;
/** While one request tries whether it answers again, the others go on as if it did not. */
const probeMs = 15_000;

/** Milliseconds for which it is not asked; 0 when it may be. */
export function waitMs({ until }: Patience, now: number): number {
  return Math.max(0, until - now);
}

/** After it did not answer, or said that it is too much. */
export function afterFailure({ failures }: Patience, why: string, askedMs: number | undefined, now: number): Patience {
  const own = Math.min(firstMs * 2 ** Math.min(failures, 10), longestMs);
  return { failures: failures + 1, until: now + Math.min(Math.max(own, askedMs ?? 0), longestAskedMs), why };
}

/** Somebody asks now. */
export function whileAsking(patience: Patience, now: number): Patience {
  return patience.failures === 0 ? patience : { ...patience, until: now + probeMs };
}

/** Seconds, or a date (RFC 9110 section 10.2.3). */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
