/** A token that the token endpoint gave. */
export type TokenGrant = {
  readonly kind: 'token';
  readonly holder: string;
  /** What may be pulled with it; empty for a login alone. */
  readonly repositories: readonly string[];
  readonly expiresAt: string;
};

/** A cluster asks for the same thing all day: it is told once an hour for each holder and scope. */
const quietMs = 60 * 60_000;
const mostRemembered = 20_000;

/** Tells of grants, the first time and then once an hour; whoever asks waits until the first was written. */
export function openGrantLog(write: (grant: TokenGrant) => Promise<void>): (grant: TokenGrant, now: number) => Promise<void> {
  const told = new Map<string, number>();
  return async (grant, now) => {
    const key = JSON.stringify([grant.holder, [...grant.repositories].sort()]);
    if ((told.get(key) ?? Number.NEGATIVE_INFINITY) > now - quietMs) return;
    await write(grant);
    if (told.size >= mostRemembered) told.clear();
    told.set(key, now);
  };
}
