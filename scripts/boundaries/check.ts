import { type Facts, factsOf, type Import } from './facts.ts';
import { cyclesOf, type Graph, graphOf, reachFrom, targetOf } from './graph.ts';
import {
  type Allowance,
  folderRules,
  impureGlobals,
  packageRules,
  processMembers,
  processUsers,
  pureFiles,
  purePackages,
  unreachable,
} from './rules.ts';

/** `file` is a path below src/. */
export type Violation = { readonly file: string; readonly line: number; readonly message: string };

/** A Map, since a folder may be called like something that every object has. */
const rules = new Map(Object.entries(folderRules));

/** Holds a tree of sources (path below src/ → text) against the rules. Pure: tests feed it what must be refused. */
export function checkBoundaries(sources: ReadonlyMap<string, string>): Violation[] {
  const violations: Violation[] = [];
  const files = new Map<string, Facts>();
  for (const [path, source] of sources) {
    const facts = factsOf(path, source);
    if ('unparsable' in facts) violations.push({ file: path, line: facts.line, message: `cannot be read: ${facts.unparsable}` });
    else files.set(path, facts);
    if (!rules.has(folderOf(path)))
      violations.push({
        file: path,
        line: 1,
        message: `${path.includes('/') ? `folder ${folderOf(path)}/` : 'a file outside any folder'} is not in the import table (scripts/boundaries/rules.ts)`,
      });
  }
  const graph = graphOf(files);
  for (const [path, facts] of files) {
    const tell = (line: number, message: string): void => void violations.push({ file: path, line, message });
    for (const each of facts.imports) checkTarget(path, each, sources, tell);
    // Tests may import what they test with; what is shipped may not import tests.
    if (isTest(path)) continue;
    for (const each of facts.imports) checkFolder(path, each, tell);
    for (const each of facts.imports) checkPackage(path, each, tell);
    checkProcess(path, facts, tell);
    if (isAmong(path, pureFiles)) checkPure(path, facts, files, graph, tell);
    if (isPort(path) && facts.valueAt !== undefined) tell(facts.valueAt, 'a port.ts holds types alone');
    checkReach(path, graph, tell);
  }
  for (const cycle of cyclesOf(graph))
    violations.push({ file: cycle[0] ?? '', line: 1, message: `files import each other: ${[...cycle, cycle[0]].join(' → ')}` });
  return violations.sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line));
}

type Tell = (line: number, message: string) => void;

function checkTarget(path: string, { specifier, how, line }: Import, sources: ReadonlyMap<string, string>, tell: Tell): void {
  if (how === 'require') return tell(line, 'require is not checked: use import');
  if (specifier === undefined) return tell(line, `${how} of a computed path cannot be checked`);
  if (/^(?:\/|#|[a-z]+:\/\/|file:|data:)/.test(specifier)) return tell(line, `"${specifier}" is neither a package nor a relative path`);
  const target = targetOf(path, specifier);
  if (target === undefined) return;
  if (target.startsWith('..')) {
    if (!isTest(path)) tell(line, `"${specifier}" leads out of src/`);
  } else if (!sources.has(target) && /\.[cm]?[jt]sx?$/.test(target)) tell(line, `"${specifier}" does not exist`);
  else if (!/\.\w+$/.test(target)) tell(line, `"${specifier}" has no extension`);
}

function checkFolder(path: string, { specifier, how, typesOnly, line }: Import, tell: Tell): void {
  const target = specifier === undefined ? undefined : targetOf(path, specifier);
  if (target === undefined || target.startsWith('..')) return;
  const from = folderOf(path);
  const to = folderOf(target);
  if (isTest(target)) tell(line, `imports a test: ${target}`);
  const rule = rules.get(from);
  if (from === to || rule === undefined || to === 'kernel') return;
  const fits = ({ folder, only }: Allowance): boolean =>
    (folder === to || folder === '*') && (only === undefined || (only === 'types' ? typesOnly : isPort(target) && typesOnly));
  if (rule.imports.some(fits)) return;
  const partly = rule.imports.find(({ folder }) => folder === to);
  const but = partly === undefined ? '' : partly.only === 'types' ? ' (but types)' : ' (but its port.ts)';
  tell(line, `${from}/ may not import ${to}/${but}: ${how} of ${target}; ${rule.why}`);
}

function checkPackage(path: string, { specifier, names, line }: Import, tell: Tell): void {
  if (specifier === undefined || specifier.startsWith('.')) return;
  for (const rule of packageRules) {
    if (rule.folders.includes(folderOf(path)) || !isOfPackage(specifier, rule.package)) continue;
    const bad = rule.names === undefined ? [''] : names.filter((name) => name === '*' || rule.names?.includes(name));
    for (const name of bad)
      tell(
        line,
        `${name === '' ? '' : `${name === '*' ? 'everything' : name} of `}${specifier} belongs to ${rule.folders.map((folder) => `${folder}/`).join(', ')}; ${rule.why}`,
      );
  }
}

function checkProcess(path: string, { uses }: Facts, tell: Tell): void {
  if (isAmong(path, processUsers)) return;
  for (const { name, line } of uses) {
    const [object, member] = name.split('.');
    if (object === 'process' && (member === undefined || member === '[…]' || processMembers.has(member)))
      tell(line, `${name} belongs to main/: only it reads the environment and exits`);
    if ((object === 'globalThis' || object === 'global') && (member === 'process' || member === '[…]' || member === undefined))
      tell(line, `${name} hides what is used: name it`);
  }
}

function checkPure(path: string, facts: Facts, files: ReadonlyMap<string, Facts>, graph: Graph, tell: Tell): void {
  for (const { name, line } of facts.uses) {
    const [object = ''] = name.split('.');
    if (impureGlobals.has(object) || name === 'Date.now' || name === 'new Date()' || name === 'Math.random')
      tell(line, `${name} in a file that does no I/O, reads no clock and takes no randomness`);
  }
  for (const [target, way] of reachFrom(graph, path, (edge) => !edge.by.typesOnly))
    for (const { specifier, typesOnly, line } of files.get(target)?.imports ?? []) {
      if (typesOnly || specifier === undefined || specifier.startsWith('.') || purePackages.has(specifier)) continue;
      const through = way.length === 0 ? '' : `, through ${way.map((edge) => edge.to).join(' → ')}`;
      tell(way[0]?.by.line ?? line, `a file without I/O imports ${specifier}${through}`);
    }
}

function checkReach(path: string, graph: Graph, tell: Tell): void {
  for (const { from, to, why } of unreachable) {
    if (folderOf(path) !== from) continue;
    const told = new Set<string>();
    for (const [target, way] of reachFrom(graph, path)) {
      const folder = folderOf(target);
      // One way into each folder says enough.
      if (!to.includes(folder) || told.has(folder)) continue;
      told.add(folder);
      tell(way[0]?.by.line ?? 1, `${from}/ reaches ${folder}/: ${[path, ...way.map((edge) => edge.to)].join(' → ')}; ${why}`);
    }
  }
}

function folderOf(path: string): string {
  const end = path.indexOf('/');
  return end === -1 ? '' : path.slice(0, end);
}

function isAmong(path: string, places: readonly string[]): boolean {
  return places.some((place) => (place.endsWith('/') ? path.startsWith(place) : path === place));
}

function isPort(path: string): boolean {
  return path.endsWith('/port.ts');
}

function isTest(path: string): boolean {
  return path.endsWith('.test.ts');
}

function isOfPackage(specifier: string, name: string): boolean {
  const bare = name.startsWith('node:') ? name.slice('node:'.length) : undefined;
  return specifier === name || specifier.startsWith(`${name}/`) || (bare !== undefined && specifier === bare);
}
