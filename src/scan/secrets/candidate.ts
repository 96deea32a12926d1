import type { SecretFinding } from '../finding.ts';
import type { Severity } from '../severity.ts';

/** What is known of a candidate. Offsets are into `text`, which has one character for each byte. */
export type Candidate = {
  readonly text: string;
  readonly path: string;
  /** Of the whole match, and of the value in it. */
  readonly start: number;
  readonly end: number;
  readonly valueStart: number;
  readonly value: string;
  /** Of an assigned value: where the keyword in the name ends. */
  readonly nameEnd: number;
  readonly now: Date;
};

/** What a check says: undefined, it is no credential. `value`: what is one, when it is not what was matched; equal credentials give equal values. */
export type Judgement =
  | {
      readonly validity?: SecretFinding['validity'];
      readonly severity?: Exclude<Severity, 'unknown'>;
      readonly title?: string;
      readonly value?: string;
      /** Where it ends, when it goes on behind the match. */
      readonly end?: number;
    }
  | undefined;
