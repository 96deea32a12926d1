import type { ScanLimits } from './limits.ts';
import type { Allow, Rule } from './rule.ts';
import type { BatchLimits, BatchResult } from './scan-batch.ts';
import type { Located, Part } from './scan-chunks.ts';

/** What a thread is started with. Rules are data, and compiled again in each. */
export type ThreadData = {
  readonly rules: readonly Rule[];
  readonly allow: readonly Allow[];
  readonly gitleaksComments: boolean;
  readonly limits: BatchLimits & Pick<ScanLimits, 'strikes'>;
  readonly now: Date;
};

/** A part without its bytes; they lie in the batch's own, from `start` on. */
export type PartMessage = Omit<Part, 'bytes' | 'file'> & { readonly start: number; readonly length: number; readonly blob?: string };

/** One batch: its bytes go over, and are not copied. */
export type BatchMessage = { readonly bytes: ArrayBuffer; readonly parts: readonly PartMessage[] };

/** The rule of something that was found is its place among the rules. */
export type LocatedMessage = Omit<Located, 'rule'> & { readonly rule: number };
export type ResultMessage = Omit<BatchResult, 'found'> & {
  readonly found: readonly { readonly located: LocatedMessage; readonly part: number }[];
};
