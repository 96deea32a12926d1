import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { WaybillError } from '../../kernel/error.ts';
import type { LoadedRules } from './loaded-rules.ts';
import { compileRules, type RuleSet } from './rule-set.ts';
import { builtInRules } from './rules/all.ts';

/** Rules of a repository's own: ours first, gitleaks' where there are none. */
export const rulesPath = '.waybill/secret-rules.yaml';
export const gitleaksPath = '.gitleaks.toml';
const largest = 4 * 1024 * 1024;

let builtIn: RuleSet | undefined;

/** The rules that Waybill has by itself; compiled once. */
export function builtInRuleSet(): RuleSet {
  return (builtIn ??= compileRules(builtInRules));
}

/** Rules of a repository on disk. @throws WaybillError INVALID_INPUT when a file of rules is none */
export async function repositoryRules(root: string): Promise<LoadedRules> {
  return chooseRules(async (file) => {
    try {
      return await readFile(path.join(root, file), 'utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined;
      throw new WaybillError('INVALID_INPUT', `${file} cannot be read`, { cause: error });
    }
  });
}

/** @param read the text of a file of the repository, wherever that is; undefined: there is none */
export async function chooseRules(read: (file: string) => Promise<string | undefined>): Promise<LoadedRules> {
  for (const file of [rulesPath, gitleaksPath]) {
    const text = await read(file);
    if (text !== undefined) return parseRuleFile(text, file);
  }
  return { set: builtInRuleSet(), notes: [] };
}

/** One file of rules, by its name: TOML is gitleaks', YAML ours. */
export async function readRules(file: string): Promise<LoadedRules> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new WaybillError('NOT_FOUND', `${file}: it cannot be read`, { cause, fix: 'Give the path of a file of rules.' });
  });
  return parseRuleFile(text, file);
}

async function parseRuleFile(text: string, file: string): Promise<LoadedRules> {
  if (text.length > largest) throw new WaybillError('LIMIT_EXCEEDED', `${file} is larger than 4 MiB`);
  if (file.endsWith('.toml')) return (await import('./gitleaks.ts')).parseGitleaks(text, file);
  return (await import('./rule-file.ts')).parseRules(text, file);
}
