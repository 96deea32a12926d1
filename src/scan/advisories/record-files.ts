import type { AdvisoryLimits } from './limits.ts';

/** One file that should hold an advisory. */
export type RecordFile = {
  /** Of the file, for messages; made by somebody else. */
  readonly name: string;
  /** Its content, or why it cannot be had. */
  readonly content: Buffer | { readonly problem: string };
};

/** Where the advisories of an export come from, file by file. */
export type RecordFiles = (limits: AdvisoryLimits, signal: AbortSignal) => AsyncGenerator<RecordFile>;
