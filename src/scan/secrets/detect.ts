import type { SecretFinding } from '../finding.ts';
import { endsValue, valueStart } from './assignment.ts';
import type { Candidate } from './candidate.ts';
import { checks } from './checks.ts';
import { entropy } from './entropy.ts';
import { lineEnd, lineStart } from './near.ts';
import { isMasked, isPlaceholder } from './placeholder.ts';
import type { CompiledAllow, CompiledRule, RuleSet } from './rule-set.ts';

/** Bytes of one file, or of a part of one. */
export type Chunk = { readonly bytes: Buffer; readonly path: string; readonly binary: boolean; readonly now: Date };

/** One credential in a chunk. `value` is it: it leaves this folder only as a slow hash. */
export type Hit = {
  readonly rule: CompiledRule;
  /** Of the match, in bytes of the chunk. */
  readonly start: number;
  readonly end: number;
  readonly valueStart: number;
  readonly value: string;
  readonly severity: SecretFinding['severity'];
  readonly title: string;
  readonly validity: SecretFinding['validity'];
};

export const mostHits = 1_000;
const stride = 256;

/** What runs just now, for whoever stops it for taking too long. */
export type Progress = { rule: CompiledRule | undefined };

/**
 * One pass over the bytes for all keywords; at each, the expressions of its rules, anchored there. Rules in `closed` are passed over.
 * Synchronous: `time-budget.ts` bounds it. `full`: there were more hits than are kept.
 */
export function detect(set: RuleSet, chunk: Chunk, closed: ReadonlySet<CompiledRule>, progress: Progress): { hits: Hit[]; full: boolean } {
  const { bytes, path, binary } = chunk;
  const hits: Hit[] = [];
  const everywhere = new Set<CompiledRule>(binary ? [] : set.always);
  let whole: string | undefined;
  // Most files have no keyword, and need no text.
  const textOf = () => (whole ??= bytes.toString('latin1'));
  const seen = new Map<CompiledRule, Set<number>>();
  const searched = new Map<CompiledRule, number>();
  let valueAt = -1;
  let valueOf = -1;
  let full = false;

  const add = (rule: CompiledRule, found: Omit<Candidate, 'text' | 'path' | 'now'>) => {
    if (hits.length >= mostHits) {
      full = true;
      return;
    }
    const hit = judge(set, rule, { ...found, text: textOf(), path, now: chunk.now });
    if (hit) hits.push(hit);
  };

  /** Two keywords beside each other see the same. */
  const isNew = (rule: CompiledRule, at: number) => {
    const starts = seen.get(rule) ?? new Set();
    seen.set(rule, starts);
    if (starts.has(at)) return false;
    starts.add(at);
    return true;
  };

  set.automaton.search(bytes, (keyword, end) => {
    const start = end - (set.keywords[keyword]?.length ?? 0);
    for (const rule of set.byKeyword[keyword] ?? []) {
      if ((binary && !rule.inBinary) || closed.has(rule) || full) continue;
      progress.rule = rule;
      if (!pathFits(rule, path)) continue;
      const text = textOf();
      const { match } = rule.rule;
      switch (match.kind) {
        case 'token': {
          if (!beginsWord(text, start)) break;
          rule.expression.lastIndex = start;
          const found = rule.expression.exec(text);
          if (found) add(rule, fromMatch(found, 0, end));
          break;
        }
        case 'assigned': {
          if (rule.ownWord && !beginsNamePart(text, start)) break;
          if (valueOf !== end) {
            valueOf = end;
            valueAt = valueStart(text, end);
          }
          if (valueAt < 0) break;
          rule.expression.lastIndex = valueAt;
          const found = rule.expression.exec(text);
          if (!found || !endsValue(text, rule.expression.lastIndex)) break;
          add(rule, { start, end: rule.expression.lastIndex, valueStart: valueAt, value: found[0], nameEnd: end });
          break;
        }
        case 'around': {
          if (rule.followedBy) {
            rule.followedBy.lastIndex = end;
            if (!rule.followedBy.test(text)) break;
          }
          if (match.before === 0) {
            rule.expression.lastIndex = start;
            const found = rule.expression.exec(text);
            if (found && isNew(rule, found.index)) add(rule, fromMatch(found, 0, end));
            break;
          }
          // A window is a little longer than it must be, so that the keywords that follow closely need none.
          if (start < (searched.get(rule) ?? 0)) break;
          searched.set(rule, start + stride);
          const from = Math.max(0, start - match.before - 2);
          const window = text.slice(from, end + match.after + stride);
          rule.expression.lastIndex = 0;
          for (let found = rule.expression.exec(window); found; found = rule.expression.exec(window)) {
            if (isNew(rule, from + found.index)) add(rule, fromMatch(found, from, end));
            if (found[0] === '') rule.expression.lastIndex++;
          }
          break;
        }
        case 'everywhere':
          everywhere.add(rule);
          break;
        case 'file':
          break;
      }
      progress.rule = undefined;
    }
  });

  for (const rule of everywhere) {
    if (closed.has(rule)) continue;
    progress.rule = rule;
    if (!pathFits(rule, path)) continue;
    const text = textOf();
    const group = rule.rule.match.kind === 'everywhere' ? (rule.rule.match.group ?? 0) : 0;
    for (const found of text.matchAll(rule.expression)) add(rule, fromMatch(found, 0, found.index, group));
    progress.rule = undefined;
  }
  progress.rule = undefined;
  return { hits: withoutOverlaps(hits), full };
}

/** Group 1, where there is one (the first that took part), is the value. */
function fromMatch(found: RegExpExecArray, offset: number, nameEnd: number, group = 0): Omit<Candidate, 'text' | 'path' | 'now'> {
  const start = offset + found.index;
  const chosen = group > 0 ? group : found.findIndex((each, index) => index > 0 && each !== undefined && each !== '');
  const value = chosen > 0 ? (found[chosen] ?? found[0]) : found[0];
  const at = chosen > 0 ? found.indices?.[chosen]?.[0] : undefined;
  return { start, end: start + found[0].length, valueStart: at === undefined ? start : offset + at, value, nameEnd };
}

function judge(set: RuleSet, compiled: CompiledRule, candidate: Candidate): Hit | undefined {
  const { rule } = compiled;
  const { value } = candidate;
  if (rule.entropy !== undefined && entropy(value) < rule.entropy) return undefined;
  const shown = value.slice(0, 400);
  if (rule.check === undefined && rule.match.kind === 'assigned' && isPlaceholder(shown)) return undefined;
  if (rule.check !== 'private-key' && rule.repeats !== true && rule.match.kind !== 'assigned' && isMasked(shown)) return undefined;
  if (isAllowed(compiled.allow, candidate) || isAllowed(set.allow, candidate)) return undefined;
  const judged = rule.check === undefined ? {} : checks[rule.check](candidate);
  if (judged === undefined) return undefined;
  return {
    rule: compiled,
    start: candidate.start,
    end: judged.end ?? candidate.end,
    valueStart: candidate.valueStart,
    value: judged.value ?? value,
    severity: judged.severity ?? rule.severity,
    title: judged.title ?? rule.title,
    validity: judged.validity ?? 'unknown',
  };
}

function isAllowed(lists: readonly CompiledAllow[], candidate: Candidate): boolean {
  return lists.some(({ allow, expressions, paths }) => {
    const said: boolean[] = [];
    if (expressions.length > 0) {
      const target =
        allow.target === 'line'
          ? lineOf(candidate)
          : allow.target === 'match'
            ? candidate.text.slice(candidate.start, candidate.end)
            : candidate.value;
      said.push(expressions.some((expression) => expression.test(target)));
    }
    if (paths.length > 0) said.push(paths.some((expression) => expression.test(candidate.path)));
    if (allow.stopwords && allow.stopwords.length > 0) {
      const lower = candidate.value.toLowerCase();
      said.push(allow.stopwords.some((word) => lower.includes(word)));
    }
    return said.length > 0 && (allow.condition === 'all' ? said.every(Boolean) : said.some(Boolean));
  });
}

/** The lines of the match, cut to what a person would look at. */
function lineOf({ text, start, end }: Candidate): string {
  return text.slice(lineStart(text, start, 2_000), lineEnd(text, end, 2_000));
}

function pathFits(rule: CompiledRule, path: string): boolean {
  return (rule.path === undefined || rule.path.test(path)) && (rule.notPath === undefined || !rule.notPath.test(path));
}

const isWord = (code: number): boolean =>
  (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95;

const escaped = /(?:\\[nrtbf0]|\\u00[0-9a-f]{2}|\\x[0-9a-f]{2}|%[0-9a-f]{2}|\u001B\[[0-9;]{1,5}m)$/i;

/** Whether something of its own begins here: after no letter, digit or `_`, but after `\n` in a string, and after `%3D` in an address. */
function beginsWord(text: string, at: number): boolean {
  if (at === 0 || !isWord(text.charCodeAt(at - 1)) || !isWord(text.charCodeAt(at))) return true;
  // Few places pass this, and the expression is asked only there.
  const hint =
    text.charAt(at - 2) === '\\' ||
    text.charAt(at - 3) === '%' ||
    text.charAt(at - 4) === '\\' ||
    text.charAt(at - 6) === '\\' ||
    text.charAt(at - 1) === 'm';
  return hint && escaped.test(text.slice(Math.max(0, at - 8), at));
}

/** Whether a part of a name begins here: `okta_key`, `myOkta`, not `tooktake`. */
function beginsNamePart(text: string, at: number): boolean {
  if (at === 0) return true;
  const before = text.charCodeAt(at - 1);
  const isLetter = (before >= 65 && before <= 90) || (before >= 97 && before <= 122);
  if (!isLetter) return true;
  const here = text.charCodeAt(at);
  return here >= 65 && here <= 90 && before >= 97;
}

/** Of several that share a part, the one of the highest rank; of equal ones the first. */
function withoutOverlaps(hits: Hit[]): Hit[] {
  const kept: Hit[] = [];
  for (const hit of hits.toSorted((a, b) => a.start - b.start || b.rule.rank - a.rule.rank)) {
    const last = kept.at(-1);
    if (last === undefined || hit.start >= last.end) kept.push(hit);
    else if (hit.rule.rank > last.rule.rank) kept[kept.length - 1] = hit;
  }
  return kept;
}
