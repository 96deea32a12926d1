import type { Digest } from '../kernel/digest.ts';

/** What a scan really looked at: "nothing found" is worth no more than this. */
export type Coverage = {
  readonly files: number;
  readonly bytes: number;
  readonly components: number;
  /** Of the credential rules. */
  readonly rules?: { readonly count: number; readonly digest: Digest };
  /** Of the advisories, one entry for each ecosystem that occurs. */
  readonly databases?: readonly DatabaseState[];
  /** What was not looked at, and why; gaps first, cut off at a thousand (`skip-list.ts`). */
  readonly skipped: readonly Skipped[];
  /** All of them. */
  readonly skippedCount: number;
  /** All gaps (`isGap`). Default: every one that is not listed counts as one. */
  readonly gapCount?: number;
};

export type DatabaseState = {
  readonly ecosystem: string;
  /** 0: there is none, and whatever is looked up in it is unknown. */
  readonly advisories: number;
  readonly digest: Digest;
  /** RFC 3339: when its source was last known to be current. */
  readonly updatedAt: string;
};

export type Skipped = {
  readonly path: string;
  /**
   * `limit` and `time` are gaps: something may be there. `binary` and `excluded` are as meant. `unreadable` and `unknown-format`: nobody could.
   * `covered`: nobody could, and the package of the distribution that brought it is looked up in its place.
   */
  readonly reason: 'binary' | 'excluded' | 'covered' | 'limit' | 'time' | 'unreadable' | 'unknown-format';
  readonly detail: string;
};

/** Reasons that leave open whether something is there. */
export function isGap({ reason }: Skipped): boolean {
  return reason === 'time' || reason === 'limit' || reason === 'unreadable' || reason === 'unknown-format';
}
