import { createHash } from 'node:crypto';
import { WaybillError, messageOf } from '../../kernel/error.ts';
import { canonicalJson } from '../../kernel/json.ts';
import type { Digest } from '../../kernel/digest.ts';
import { makeAutomaton, type Automaton } from './automaton.ts';
import type { Allow, Rule } from './rule.ts';

export type CompiledAllow = {
  readonly allow: Allow;
  readonly expressions: readonly RegExp[];
  readonly paths: readonly RegExp[];
};

export type CompiledRule = {
  readonly rule: Rule;
  readonly expression: RegExp;
  readonly followedBy?: RegExp;
  readonly path?: RegExp;
  readonly notPath?: RegExp;
  readonly allow: readonly CompiledAllow[];
  readonly rank: number;
  /** Looked for in binary files too: tokens that cannot be there by chance. */
  readonly inBinary: boolean;
  /** The keyword must begin where a word of the name begins: it is too short to be told inside of others. */
  readonly ownWord: boolean;
};

/** Rules, ready to be used. Same rules, same digest. */
export type RuleSet = {
  readonly rules: readonly CompiledRule[];
  readonly digest: Digest;
  readonly automaton: Automaton;
  readonly keywords: readonly string[];
  /** By keyword: the rules that it may begin. */
  readonly byKeyword: readonly (readonly CompiledRule[])[];
  /** Rules that no keyword begins, and that must be tried on every text. */
  readonly always: readonly CompiledRule[];
  readonly files: readonly CompiledRule[];
  /** For all rules: what is never one. */
  readonly allow: readonly CompiledAllow[];
  /** `gitleaks:allow` counts as a reason: the repository has gitleaks' configuration. */
  readonly gitleaksComments: boolean;
};

export type RuleSetOptions = { readonly allow?: readonly Allow[]; readonly gitleaksComments?: boolean };

/** @throws WaybillError INVALID_INPUT naming the rule whose expression cannot be compiled, an id that is there twice, or more keywords than are searched for */
export function compileRules(rules: readonly Rule[], options: RuleSetOptions = {}): RuleSet {
  const seen = new Set<string>();
  for (const { id } of rules) {
    if (seen.has(id)) throw new WaybillError('INVALID_INPUT', `there are two rules ${id}`);
    seen.add(id);
  }
  const compiled = rules.map(compileRule);
  const rulesOf = new Map<string, CompiledRule[]>();
  let letters = 0;
  for (const each of compiled)
    for (const keyword of new Set(each.rule.keywords)) {
      const same = rulesOf.get(keyword);
      if (same) same.push(each);
      else {
        rulesOf.set(keyword, [each]);
        letters += keyword.length;
      }
    }
  if (letters > mostKeywordLetters)
    throw new WaybillError('INVALID_INPUT', `the keywords of the rules have ${letters} letters, more than ${mostKeywordLetters}`);
  const keywords = [...rulesOf.keys()];
  const byKeyword = [...rulesOf.values()];
  const allow = (options.allow ?? []).map((each) => compileAllow(each, 'the allow list'));
  const facts = [rules.map((rule) => ({ ...rule, examples: undefined })), options.allow ?? [], engine];
  return {
    rules: compiled,
    digest: `sha256:${createHash('sha256').update(canonicalJson(facts)).digest('hex')}` as Digest,
    automaton: makeAutomaton(keywords),
    keywords,
    byKeyword,
    always: compiled.filter(({ rule }) => rule.match.kind === 'everywhere' && rule.keywords.length === 0),
    files: compiled.filter(({ rule }) => rule.match.kind === 'file'),
    allow,
    gitleaksComments: options.gitleaksComments ?? false,
  };
}

/** All together. Each letter takes some hundred bytes; Waybill's own have some thousands. */
const mostKeywordLetters = 100_000;

/** Goes up when the engine judges otherwise by the same rules, so that what was scanned before is scanned again. */
const engine = 2;

const how = { token: 'yd', assigned: 'y', around: 'gd', everywhere: 'gd', file: '' } as const;

function compileRule(rule: Rule): CompiledRule {
  const { match } = rule;
  const source = match.kind === 'assigned' ? match.value : match.kind === 'file' ? (match.magic ?? '(?:)') : match.expression;
  // Nothing before the keyword: it is tried there and nowhere else.
  const flags = `${rule.flags ?? ''}${match.kind === 'around' && match.before === 0 ? 'yd' : how[match.kind]}`;
  const shortest = Math.min(...rule.keywords.map((keyword) => keyword.length));
  return {
    rule,
    expression: expression(source, flags, rule.id),
    ...(match.kind === 'around' && match.followedBy !== undefined ? { followedBy: expression(match.followedBy, 'y', rule.id) } : {}),
    ...(rule.path === undefined ? {} : { path: expression(rule.path, '', rule.id) }),
    ...(rule.notPath === undefined ? {} : { notPath: expression(rule.notPath, '', rule.id) }),
    allow: (rule.allow ?? []).map((each) => compileAllow(each, rule.id)),
    rank: rule.rank ?? 10,
    inBinary: match.kind === 'token' && shortest >= 4 && (rule.rank ?? 10) >= 8,
    ownWord: match.kind === 'assigned' && shortest <= 5 && rule.check !== 'generic',
  };
}

function compileAllow(allow: Allow, id: string): CompiledAllow {
  return {
    allow,
    expressions: (allow.expressions ?? []).map((source) => expression(source, allow.flags ?? '', id)),
    paths: (allow.paths ?? []).map((source) => expression(source, allow.flags ?? '', id)),
  };
}

function expression(source: string, flags: string, id: string): RegExp {
  try {
    return new RegExp(source, flags);
  } catch (cause) {
    throw new WaybillError('INVALID_INPUT', `rule ${id}: ${messageOf(cause)}`, { cause });
  }
}
