import type { Severity } from '../severity.ts';
import type { CheckName } from './checks.ts';

/** What a rule looks for, anchored at a keyword, so that nothing is searched twice. All expressions are JavaScript's over bytes (Latin-1). */
export type Match =
  /** The credential begins with the keyword, at the beginning of a word: `ghp_…`. */
  | { readonly kind: 'token'; readonly expression: string }
  /** The keyword is part of a name, and the credential the value that is given to it: `adafruit_key = "…"`. */
  | { readonly kind: 'assigned'; readonly value: string }
  /**
   * The keyword stands in it or near it; it is searched from `before` bytes before to `after` bytes behind. The first group that takes part, if there are any, is the
   * credential. `followedBy`: what must follow the keyword, for keywords that are everywhere.
   */
  | { readonly kind: 'around'; readonly expression: string; readonly before: number; readonly after: number; readonly followedBy?: string }
  /** Searched in the whole text in which a keyword occurs (or in every text, without keywords). Slow: for rules from elsewhere. */
  | { readonly kind: 'everywhere'; readonly expression: string; readonly group?: number }
  /** The file is the credential: by its first bytes (hexadecimal) and by its path. */
  | { readonly kind: 'file'; readonly magic?: string };

/** A kind of credential, as data. */
export type Rule = {
  /** Where gitleaks knows the same kind, its id. */
  readonly id: string;
  readonly title: string;
  readonly severity: Exclude<Severity, 'unknown'>;
  /** What to do: where it is taken out of use. */
  readonly fix: string;
  /** Lower-case; without regard to case. */
  readonly keywords: readonly string[];
  readonly match: Match;
  /** Flags of the expression besides: `i`, `s`, `m`. */
  readonly flags?: string;
  /** Only in files whose path matches. */
  readonly path?: string;
  /** Never in those. */
  readonly notPath?: string;
  /** Shannon's, bits a character; less is a placeholder. */
  readonly entropy?: number;
  /** Values, matches or lines that are none, as expressions. */
  readonly allow?: readonly Allow[];
  /** Its format has one character many times: no sign of a mask. */
  readonly repeats?: boolean;
  /** Judges a value by what its format says beyond an expression. */
  readonly check?: CheckName;
  /** Where two rules find the same, the lower one yields. Default 10; generic ones have less. */
  readonly rank?: number;
  readonly examples: RuleExamples;
};

export type Allow = {
  readonly expressions?: readonly string[];
  readonly flags?: string;
  readonly target?: 'value' | 'match' | 'line';
  readonly paths?: readonly string[];
  readonly commits?: readonly string[];
  /** Lower-case; a value that contains one is none. */
  readonly stopwords?: readonly string[];
  /** `all`: every kind of condition that is there must hold. Default `any`. */
  readonly condition?: 'any' | 'all';
};

/**
 * Texts in which the rule must find something, and texts in which no rule may. Random parts are templates (`examples.ts`): `ghp_<alnum:36>`, so that nothing that looks
 * like a credential stands in the source. An assigned rule's `found` are values; they are tried in every form of assignment.
 */
export type RuleExamples = {
  readonly found: readonly string[];
  readonly none?: readonly string[];
  /** Name of the file in which they stand. */
  readonly path?: string;
};
