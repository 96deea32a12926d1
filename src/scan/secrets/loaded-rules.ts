import type { RuleSet } from './rule-set.ts';

/** `notes`: what of a file could not be taken over, a sentence each. */
export type LoadedRules = { readonly set: RuleSet; readonly notes: readonly string[] };
