/** Where a repository keeps its waivers: reviewed like everything else in it. `parse-waivers.ts` reads it. */
export const waiversPath = '.waybill/waivers.yaml';

/** Longer than this ahead is no date but a way to say "for ever". */
export const longestWaiverDays = 366;

/** `owner` is a person or a team; `expires` a day (YYYY-MM-DD, UTC), at whose end it is over. */
export type Waiver = { readonly reason: string; readonly owner: string; readonly expires: string };

export type Waivers = {
  readonly version: 1;
  /** Makes fingerprints of this repository unlike those of every other one; 32 or more hexadecimal digits. */
  readonly salt?: string | undefined;
  readonly secrets: readonly (Waiver & { readonly rule: string; readonly fingerprint: string })[];
  /** `id` is any name of the advisory; `package` a name as the ecosystem spells it, or a purl with or without version. */
  readonly vulnerabilities: readonly (Waiver & { readonly id: string; readonly package?: string | undefined })[];
  readonly image: readonly (Waiver & { readonly rule: string; readonly path?: string | undefined })[];
  readonly gaps: readonly (Waiver & { readonly path: string })[];
};

export const noWaivers: Waivers = { version: 1, secrets: [], vulnerabilities: [], image: [], gaps: [] };

/** Whether a waiver holds at a moment; otherwise why not. */
export function holds({ expires }: Waiver, now: Date): true | 'expired' | 'too long' {
  const end = Date.parse(`${expires}T23:59:59.999Z`);
  if (!(end >= now.getTime())) return 'expired';
  return end - now.getTime() > (longestWaiverDays + 1) * 86_400_000 ? 'too long' : true;
}
