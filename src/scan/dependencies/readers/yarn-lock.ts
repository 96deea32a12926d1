import type { Component } from '../../component.ts';
import type { Skipped } from '../../coverage.ts';
import { hashesOf } from '../integrity.ts';
import { decode, entries, field, object, text } from '../json.ts';
import { eachLine } from '../lines.ts';
import { below } from '../projects.ts';
import { parseYaml } from '../yaml.ts';
import { purlOf } from '../purl.ts';
import { baseName, lockLimit, projectOf, type Reader, type Reading } from '../reader.ts';

/**
 * yarn.lock of Yarn 1 ("yarn lockfile v1") and of Yarn 2 and later (YAML with `__metadata`). Neither says what is for development only, and which
 * packages the project names itself stands in package.json: what nothing else needs is taken for direct.
 */
export const yarnLock: Reader = {
  what: 'yarn.lock',
  wants: (path) => baseName(path) === 'yarn.lock',
  limit: lockLimit,
  read(bytes, path) {
    const content = decode(bytes);
    return graphOf(/^__metadata:/m.test(content) ? berryEntries(bytes, content) : classicEntries(content), path);
  },
};

type Entry = {
  /** `lodash@^4.17.0`, as they are asked for. */
  readonly asked: readonly string[];
  readonly name: string;
  readonly version: string | undefined;
  readonly line: number;
  readonly integrity?: string | undefined;
  readonly local: boolean;
  /** Of a workspace, in the tree. */
  readonly folder?: string;
  readonly foreign?: string;
  readonly needs: readonly (readonly [name: string, range: string])[];
};

function graphOf(all: readonly Entry[], path: string): Reading {
  const components: Component[] = [];
  const skipped: Skipped[] = [];
  const byAsked = new Map<string, string>();
  const root = projectOf(path);
  const idOf = (entry: Entry): string | undefined => {
    if (entry.local) return below(root, entry.folder ?? '');
    return entry.version === undefined || entry.foreign !== undefined ? undefined : purlOf('npm', entry.name, entry.version);
  };
  for (const entry of all) {
    const id = idOf(entry);
    if (id === undefined) {
      skipped.push({
        path: `${path} → ${entry.asked[0]?.slice(0, 200) ?? ''}`,
        reason: 'unknown-format',
        detail: `it comes from ${entry.foreign ?? 'nowhere'}`,
      });
      continue;
    }
    for (const asked of entry.asked) byAsked.set(asked, id);
    if (entry.local || entry.version === undefined) continue;
    components.push({
      purl: id,
      ecosystem: 'npm',
      name: entry.name,
      version: entry.version,
      scope: 'runtime',
      hashes: hashesOf(entry.integrity),
      places: [{ path, line: entry.line }],
    });
  }
  const needed = new Set<string>();
  const needs = all.flatMap((entry): [string, string[]][] => {
    const id = idOf(entry);
    if (id === undefined) return [];
    const targets = entry.needs.flatMap(([name, range]) => byAsked.get(`${name}@${range}`) ?? byAsked.get(`${name}@npm:${range}`) ?? []);
    for (const target of targets) needed.add(target);
    return [[id, targets]];
  });
  const direct = components.map(({ purl }) => purl).filter((purl) => !needed.has(purl));
  return { components, needs: [[root, direct], ...needs], skipped };
}

/** Yarn 1: blocks of lines with two spaces a level; keys and values may be quoted. */
function classicEntries(content: string): readonly Entry[] {
  const lines = content.split(/\r?\n/);
  if (!lines.some((line) => line.startsWith('# yarn lockfile v1')))
    throw new Error('it is neither a lock file of Yarn 1 nor of a later Yarn');
  const found: Entry[] = [];
  let current:
    | { asked: string[]; line: number; version?: string; resolved?: string; integrity?: string; needs: [string, string][] }
    | undefined;
  let inNeeds = false;
  const close = () => {
    if (current) found.push(classicEntry(current));
    current = undefined;
  };
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    if (!line.startsWith(' ')) {
      close();
      current = { asked: line.replace(/:\s*$/, '').split(', ').map(unquote), line: index + 1, needs: [] };
      inNeeds = false;
      continue;
    }
    if (!current) throw new Error(`line ${index + 1} stands in no block`);
    if (/^ {4}\S/.test(line)) {
      const [name, range] = words(line.trim());
      if (inNeeds && name !== undefined && range !== undefined) current.needs.push([name, range]);
      continue;
    }
    const [key = '', value] = words(line.trim().replace(/:$/, ''));
    inNeeds = key === 'dependencies' || key === 'optionalDependencies';
    if (value === undefined) continue;
    if (key === 'version' || key === 'resolved' || key === 'integrity') current[key] = value;
  }
  close();
  return found;
}

function classicEntry({
  asked,
  line,
  version,
  resolved,
  integrity,
  needs,
}: {
  asked: readonly string[];
  line: number;
  version?: string;
  resolved?: string;
  integrity?: string;
  needs: readonly [string, string][];
}): Entry {
  const first = asked[0] ?? '';
  const [own, range] = split(first);
  const name = range.startsWith('npm:') ? split(range.slice('npm:'.length))[0] : own;
  const local = /^(?:file|link):/.test(range);
  const foreign =
    !local && resolved !== undefined && /^git[+:]|\.git#|^https?:\/\/(?:codeload\.)?github\.com\//.test(resolved)
      ? { foreign: resolved.slice(0, 200) }
      : {};
  return { asked, name, version, line, ...(integrity === undefined ? {} : { integrity }), local, ...foreign, needs };
}

function words(line: string): readonly string[] {
  return [...line.slice(0, 4_096).matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
}

function unquote(text: string): string {
  const trimmed = text.trim();
  return trimmed.startsWith('"') && trimmed.endsWith('"') ? trimmed.slice(1, -1) : trimmed;
}

/** Name and range of `@scope/name@^1.0.0`. */
function split(asked: string): readonly [string, string] {
  const at = asked.indexOf('@', 1);
  return at === -1 ? [asked, ''] : [asked.slice(0, at), asked.slice(at + 1)];
}

/** Yarn 2 and later. */
function berryEntries(bytes: Buffer, content: string): readonly Entry[] {
  const lineOf = new Map<string, number>();
  eachLine(content, (line, number) => {
    if (/^\S.*:\s*$/.test(line)) lineOf.set(unquote(line.trim().slice(0, -1)), number);
  });
  return entries(parseYaml(bytes)).flatMap(([key, value]): Entry[] => {
    if (key === '__metadata') return [];
    const resolution = text(value, 'resolution') ?? '';
    const [name, range] = split(resolution);
    const asked = key.split(', ').map((each) => each.trim());
    const needs = ['dependencies', 'optionalDependencies'].flatMap((kind) =>
      entries(field(object(value), kind)).map(([needed, wanted]): [string, string] => [needed, String(wanted)]),
    );
    const local = /^(?:workspace|link|portal|file):/.test(range);
    const folder = /^workspace:(.*)$/s.exec(range)?.[1];
    // A patch of a package is that package, as far as advisories go.
    const patched = range.startsWith('patch:');
    const foreign =
      !local && !patched && !range.startsWith('npm:') ? { foreign: resolution.slice(0, 200) || 'an entry without a resolution' } : {};
    return [
      {
        asked,
        name,
        version: text(value, 'version'),
        line: lineOf.get(key) ?? 1,
        local,
        ...(folder === undefined ? {} : { folder }),
        ...foreign,
        needs,
      },
    ];
  });
}
