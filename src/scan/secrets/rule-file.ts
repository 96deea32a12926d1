import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { WaybillError } from '../../kernel/error.ts';
import { detect } from './detect.ts';
import { compileRules, type RuleSet } from './rule-set.ts';
import type { LoadedRules } from './loaded-rules.ts';
import type { Allow, Rule } from './rule.ts';
import { builtInRules } from './rules/all.ts';
import { withinTime } from './time-budget.ts';

const expressionText = z.string().min(1).max(4_000);
const allow = z.strictObject({
  expressions: z.array(expressionText).max(200).optional(),
  target: z.enum(['value', 'match', 'line']).optional(),
  paths: z.array(expressionText).max(200).optional(),
  stopwords: z.array(z.string().min(2).max(200)).max(5_000).optional(),
  condition: z.enum(['any', 'all']).optional(),
});

const rule = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]{2,99}$/, 'must be small letters, digits and hyphens'),
  title: z.string().min(3).max(200),
  severity: z.enum(['low', 'medium', 'high', 'critical']).default('high'),
  fix: z.string().min(3).max(1_000).default('Take it out of use where it was issued, then take it out of the code.'),
  keywords: z.array(z.string().min(2).max(100)).min(1, 'a rule needs a keyword: what every match contains').max(50),
  /** Searched for where a keyword stands. */
  expression: expressionText.optional(),
  /** The value that a name with the keyword in it is given. */
  value: expressionText.optional(),
  caseSensitive: z.boolean().default(true),
  path: expressionText.optional(),
  entropy: z.number().min(0).max(8).optional(),
  allow: z.array(allow).max(50).optional(),
  /** Texts in which it must find something, and in which it must not: checked whenever the file is read. */
  examples: z
    .strictObject({ found: z.array(z.string().max(4_000)).max(50).default([]), none: z.array(z.string().max(4_000)).max(50).default([]) })
    .default({ found: [], none: [] }),
});

const ruleFile = z.strictObject({
  version: z.literal(1),
  rules: z.array(rule).max(2_000).default([]),
  /** Rules of Waybill's own that are not used here. */
  disable: z.array(z.string()).max(1_000).default([]),
  /** For all rules. */
  allow: z.array(allow).max(50).default([]),
});

type Parsed = z.output<typeof ruleFile>;

/**
 * `.waybill/secret-rules.yaml`: rules besides Waybill's own, rules that are switched off, and what is never a credential here.
 * @throws WaybillError INVALID_INPUT with line and column, for a rule that does not find its own examples, and for names of rules that there are not
 */
export function parseRules(text: string, file: string): LoadedRules {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const [broken] = document.errors;
  if (broken) throw new WaybillError('INVALID_INPUT', `${at(broken.pos[0])}: ${broken.message.split('\n')[0]}`);
  let plain: unknown;
  try {
    plain = document.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    throw new WaybillError('INVALID_INPUT', `${file}: anchors and aliases are not read`, { cause });
  }
  const parsed = ruleFile.safeParse(plain);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const node: unknown = document.getIn(issue?.path ?? [], true);
    const offset = typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range) ? Number(node.range[0]) : 0;
    throw new WaybillError(
      'INVALID_INPUT',
      `${at(offset)}: ${issue?.path.join('.') || 'the file'}: ${issue?.message ?? 'is no file of rules'}`,
    );
  }
  return compile(parsed.data, file);
}

function compile(parsed: Parsed, file: string): LoadedRules {
  const own = parsed.rules.map((each) => toRule(each, file));
  const ids = new Set(builtInRules.map(({ id }) => id));
  const unknown = parsed.disable.find((id) => !ids.has(id));
  if (unknown !== undefined) throw new WaybillError('INVALID_INPUT', `${file}: disable: there is no rule ${JSON.stringify(unknown)}`);
  const replaced = new Set([...parsed.disable, ...own.map(({ id }) => id)]);
  const set = compileRules([...own, ...builtInRules.filter(({ id }) => !replaced.has(id))], { allow: parsed.allow.map(toAllow) });
  for (const { id, examples } of own) checkExamples(set, id, examples, file);
  return { set, notes: [] };
}

function checkExamples(set: RuleSet, id: string, examples: Rule['examples'], file: string): void {
  const finds = (text: string): boolean => {
    let found = false;
    const ended = withinTime(1_000, () => {
      const chunk = { bytes: Buffer.from(text), path: examples.path ?? 'example', binary: false, now: new Date(0) };
      found = detect(set, chunk, new Set(), { rule: undefined }).hits.some(({ rule: { rule: hit } }) => hit.id === id);
    });
    if (!ended) throw new WaybillError('INVALID_INPUT', `${file}: rule ${id} takes more than a second for one of its examples`);
    return found;
  };
  const missed = examples.found.findIndex((text) => !finds(text));
  if (missed >= 0) throw new WaybillError('INVALID_INPUT', `${file}: rule ${id} does not find its example found[${missed}]`);
  const wrong = (examples.none ?? []).findIndex(finds);
  if (wrong >= 0) throw new WaybillError('INVALID_INPUT', `${file}: rule ${id} finds something in its example none[${wrong}]`);
}

function toRule(parsed: Parsed['rules'][number], file: string): Rule {
  const { expression, value, caseSensitive, allow: lists, keywords, path, entropy, ...rest } = parsed;
  if ((expression === undefined) === (value === undefined))
    throw new WaybillError('INVALID_INPUT', `${file}: rule ${parsed.id} needs either \`expression\` or \`value\``);
  return {
    ...rest,
    keywords: keywords.map((keyword) => keyword.toLowerCase()),
    match: value === undefined ? { kind: 'around', expression: expression ?? '', before: 500, after: 2_000 } : { kind: 'assigned', value },
    ...(caseSensitive ? {} : { flags: 'i' }),
    ...(path === undefined ? {} : { path }),
    ...(entropy === undefined ? {} : { entropy }),
    ...(lists === undefined ? {} : { allow: lists.map(toAllow) }),
    rank: 12,
  };
}

function toAllow(parsed: z.output<typeof allow>): Allow {
  const { expressions, target, paths, stopwords, condition } = parsed;
  return {
    ...(expressions === undefined ? {} : { expressions }),
    ...(target === undefined ? {} : { target }),
    ...(paths === undefined ? {} : { paths }),
    ...(stopwords === undefined ? {} : { stopwords: stopwords.map((word) => word.toLowerCase()) }),
    ...(condition === undefined ? {} : { condition }),
  };
}
