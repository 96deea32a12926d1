import { parse, TomlError } from 'smol-toml';
import { z } from 'zod';
import { WaybillError, messageOf } from '../../kernel/error.ts';
import { goToJs } from './go-regex.ts';
import type { LoadedRules } from './loaded-rules.ts';
import { compileRules } from './rule-set.ts';
import type { Allow, Rule } from './rule.ts';
import { builtInRules } from './rules/all.ts';

const texts = z.array(z.string()).max(10_000).default([]);
const allowlist = z.object({
  condition: z.string().default('OR'),
  regexTarget: z.string().default('secret'),
  regexes: texts,
  paths: texts,
  commits: texts,
  stopwords: texts,
  targetRules: texts,
});
const lists = {
  allowlist: allowlist.optional(),
  allowlists: z.union([allowlist.transform((one) => [one]), z.array(allowlist)]).default([]),
};
const rule = z.object({
  id: z.string().min(1).max(200),
  description: z.string().default(''),
  regex: z.string().optional(),
  path: z.string().optional(),
  secretGroup: z.number().int().min(0).max(100).optional(),
  entropy: z.number().optional(),
  keywords: texts,
  ...lists,
});
/** gitleaks' configuration, versions 8.0 to 8.28; what is not named here (tags, skipReport …) says nothing about what is found. */
const config = z.object({
  extend: z
    .object({ useDefault: z.boolean().default(false), path: z.string().optional(), url: z.string().optional(), disabledRules: texts })
    .prefault({}),
  rules: z.array(rule).max(5_000).default([]),
  ...lists,
});

type List = z.output<typeof allowlist>;
type Raw = z.output<typeof rule>;

/**
 * Rules of a `.gitleaks.toml`. `extend.useDefault` takes Waybill's own rules, which have gitleaks' ids. What cannot be taken over is named in the notes, and makes more
 * findings rather than fewer, but for rules whose expression has no counterpart.
 * @throws WaybillError INVALID_INPUT with line and column
 */
export function parseGitleaks(text: string, file: string): LoadedRules {
  const raw = read(text, file);
  const notes: string[] = [];
  const note = (sentence: string) => notes.push(`${file}: ${sentence}`);
  if (raw.extend.path !== undefined || raw.extend.url !== undefined)
    note('extend.path and extend.url are not followed; put those rules into this file');
  const disabled = new Set(raw.extend.disabledRules);
  const base = raw.extend.useDefault ? builtInRules.filter(({ id }) => !disabled.has(id)) : [];
  const own = new Map<string, Rule>();
  for (const each of raw.rules) {
    const known = base.find(({ id }) => id === each.id);
    const made = toRule(each, known, note);
    if (made) own.set(made.id, made);
  }
  const shared = [...(raw.allowlist ? [raw.allowlist] : []), ...raw.allowlists];
  const targeted = shared.filter(({ targetRules }) => targetRules.length > 0);
  const rules = [...own.values(), ...base.filter(({ id }) => !own.has(id))].map((each): Rule => {
    const more = targeted.filter(({ targetRules }) => targetRules.includes(each.id)).flatMap((list) => toAllow(list, each.id, note));
    return more.length === 0 ? each : { ...each, allow: [...(each.allow ?? []), ...more] };
  });
  const allow = shared
    .filter(({ targetRules }) => targetRules.length === 0)
    .flatMap((list) => toAllow(list, 'the global allow list', note));
  return { set: compileRules(rules, { allow, gitleaksComments: true }), notes };
}

function read(text: string, file: string): z.output<typeof config> {
  let plain: unknown;
  try {
    plain = parse(text);
  } catch (cause) {
    const at = cause instanceof TomlError ? `:${cause.line}:${cause.column}` : '';
    throw new WaybillError('INVALID_INPUT', `${file}${at}: ${messageOf(cause).split('\n')[0]}`, { cause });
  }
  const parsed = config.safeParse(plain);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new WaybillError(
    'INVALID_INPUT',
    `${file}: ${issue?.path.join('.') || 'the file'}: ${issue?.message ?? "is not gitleaks' configuration"}`,
  );
}

function toRule(raw: Raw, known: Rule | undefined, note: (sentence: string) => void): Rule | undefined {
  const allow = [...(raw.allowlist ? [raw.allowlist] : []), ...raw.allowlists].flatMap((list) => toAllow(list, raw.id, note));
  // Without an expression it only says more about a rule that is there.
  if (raw.regex === undefined && raw.path === undefined) {
    if (known)
      return { ...known, allow: [...(known.allow ?? []), ...allow], ...(raw.entropy === undefined ? {} : { entropy: raw.entropy }) };
    note(`the rule ${raw.id} has neither regex nor path, and finds nothing`);
    return undefined;
  }
  try {
    const path = raw.path === undefined ? undefined : translated(raw.path);
    const common = {
      id: raw.id,
      title: raw.description.replace(/\.$/, '') || raw.id,
      severity: known?.severity ?? 'high',
      fix: known?.fix ?? 'Take it out of use where it was issued, then take it out of the code.',
      ...(path === undefined ? {} : { path }),
      ...(raw.entropy === undefined ? {} : { entropy: raw.entropy }),
      allow,
      examples: { found: [] },
      rank: known?.rank ?? 8,
    } as const;
    if (raw.regex === undefined) return { ...common, keywords: [], match: { kind: 'file' } };
    return {
      ...common,
      keywords: raw.keywords.map((keyword) => keyword.toLowerCase()).filter((keyword) => keyword !== ''),
      match: {
        kind: 'everywhere',
        expression: translated(raw.regex),
        ...(raw.secretGroup === undefined ? {} : { group: raw.secretGroup }),
      },
    };
  } catch (error) {
    note(`the rule ${raw.id} is not used: ${messageOf(error)}`);
    return undefined;
  }
}

function toAllow(list: List, where: string, note: (sentence: string) => void): Allow[] {
  const all = /^(?:AND|&&)$/i.test(list.condition);
  if (list.commits.length > 0) {
    note(`${where}: an allow list by commits is not used, since content is looked at once, whichever commits have it`);
    if (all) return [];
  }
  try {
    return [
      {
        ...(list.regexes.length > 0 ? { expressions: list.regexes.map(translated) } : {}),
        ...(list.paths.length > 0 ? { paths: list.paths.map(translated) } : {}),
        ...(list.stopwords.length > 0 ? { stopwords: list.stopwords.map((word) => word.toLowerCase()) } : {}),
        target: list.regexTarget === 'match' || list.regexTarget === 'line' ? list.regexTarget : 'value',
        condition: all ? 'all' : 'any',
      },
    ];
  } catch (error) {
    note(`${where}: an allow list is not used: ${messageOf(error)}`);
    return [];
  }
}

/** Translated, and proved to be an expression. */
function translated(source: string): string {
  const made = goToJs(source);
  void new RegExp(made);
  return made;
}
