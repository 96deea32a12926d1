import { parse } from 'smol-toml';
import type { Component } from '../../component.ts';
import type { Skipped } from '../../coverage.ts';
import { hexHash } from '../integrity.ts';
import { decode, entries, field, list, mapEntries, parseJson, text } from '../json.ts';
import { eachLine, keyLines, placeOf, tableLines } from '../lines.ts';
import { below } from '../projects.ts';
import { purlOf } from '../purl.ts';
import { baseName, lockLimit, projectOf, type Reader } from '../reader.ts';

/** PEP 503, "Normalized Names". */
export function pythonName(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, '-');
}

export function pythonComponent(name: string, version: string, rest: Partial<Component> & Pick<Component, 'places'>): Component {
  const normal = pythonName(name);
  return { purl: purlOf('pypi', normal, version), ecosystem: 'PyPI', name: normal, version, scope: 'runtime', hashes: [], ...rest };
}

/** Pipfile.lock (pipenv), sections `default` and `develop`. */
export const pipfileLock: Reader = {
  what: 'Pipfile.lock',
  wants: (path) => baseName(path) === 'Pipfile.lock',
  limit: lockLimit,
  read(bytes, path) {
    const lock = parseJson(bytes);
    if (field(lock, '_meta') === undefined) throw new Error('it has no "_meta"');
    const lines = keyLines(decode(bytes));
    const skipped: Skipped[] = [];
    const components = (['default', 'develop'] as const).flatMap((section) =>
      mapEntries(lock, section).flatMap(([name, value]): Component[] => {
        const version = text(value, 'version');
        if (version?.startsWith('==') !== true) {
          if (field(value, 'path') === undefined) skipped.push(noVersion(path, name, 'it comes from no index'));
          return [];
        }
        return [
          pythonComponent(name, version.slice(2), {
            scope: section === 'develop' ? 'development' : 'runtime',
            hashes: list(field(value, 'hashes')).flatMap((hash) => hexHash(hash)),
            places: [placeOf(path, lines(name))],
          }),
        ];
      }),
    );
    return { components, needs: [[projectOf(path), components.map(({ purl }) => purl)]], skipped };
  },
};

/** poetry.lock, uv.lock and pdm.lock: TOML with `[[package]]`. */
export const tomlLock: Reader = {
  what: 'poetry.lock, uv.lock or pdm.lock',
  wants: (path) => ['poetry.lock', 'uv.lock', 'pdm.lock'].includes(baseName(path)),
  limit: lockLimit,
  read(bytes, path) {
    const content = decode(bytes);
    const lock: unknown = parse(content);
    const packages = list(field(lock, 'package'));
    if (packages.length === 0 && field(lock, 'package') !== undefined) throw new Error('its "package" is no list of tables');
    const lines = tableLines(content, '[[package]]');
    const skipped: Skipped[] = [];
    const components: Component[] = [];
    const projects: string[] = [];
    const idsOf = new Map<string, string[]>();
    const own = projectOf(path);
    const parsed = packages.map((value, index) => {
      const name = text(value, 'name') ?? '';
      const version = text(value, 'version');
      const source = field(value, 'source');
      const local =
        ['editable', 'virtual', 'directory', 'path'].find((kind) => text(source, kind) !== undefined) ??
        (['directory', 'file'].includes(text(source, 'type') ?? '') ? 'url' : undefined);
      if (local !== undefined) {
        const folder = text(source, local) ?? '.';
        const id = below(own, folder);
        projects.push(id);
        return { value, name, id };
      }
      if (version === undefined || name === '') {
        skipped.push(noVersion(path, name, 'it has no version'));
        return { value, name, id: undefined };
      }
      const hashes = [...list(field(value, 'files')), ...list(field(value, 'wheels')), field(value, 'sdist')].flatMap((file) =>
        hexHash(field(file, 'hash')),
      );
      const groups = list(field(value, 'groups')).map(String);
      const development =
        text(value, 'category') === 'dev' || (groups.length > 0 && !groups.includes('main') && !groups.includes('default'));
      const component = pythonComponent(name, version, {
        scope: development ? 'development' : field(value, 'optional') === true ? 'optional' : 'runtime',
        hashes,
        places: [placeOf(path, lines[index])],
      });
      components.push(component);
      const same = idsOf.get(component.name);
      if (same) same.push(component.purl);
      else idsOf.set(component.name, [component.purl]);
      return { value, name, id: component.purl };
    });
    const needed = new Set<string>();
    const needs = parsed.flatMap(({ value, id }): [string, string[]][] => {
      if (id === undefined) return [];
      const targets = namesNeeded(value).flatMap((name) => idsOf.get(pythonName(name)) ?? []);
      for (const target of targets) needed.add(target);
      return [[id, targets]];
    });
    // Without a project among the packages, what nothing else needs is direct.
    if (projects.length === 0) needs.unshift([own, components.map(({ purl }) => purl).filter((purl) => !needed.has(purl))]);
    return { components, needs, skipped };
  },
};

/** A table of names (poetry), a list of tables with `name` (uv), a list of requirements (pdm). */
function namesNeeded(value: unknown): readonly string[] {
  const of = (dependencies: unknown): readonly string[] =>
    Array.isArray(dependencies)
      ? dependencies.flatMap((each) => text(each, 'name') ?? (typeof each === 'string' ? (/^[A-Za-z0-9._-]+/.exec(each)?.[0] ?? []) : []))
      : entries(dependencies).map(([name]) => name);
  const groups = [...entries(field(value, 'optional-dependencies')), ...entries(field(value, 'dev-dependencies'))].flatMap(([, each]) =>
    of(each),
  );
  return [...of(field(value, 'dependencies')), ...groups];
}

const longestRequirement = 64 * 1024;

/** requirements.txt (pip, "Requirements File Format"): pins (`==`) are read, with hashes; whatever is not pinned is told. */
export const requirements: Reader = {
  what: 'requirements.txt',
  wants: (path) => /^(?:.*[-_.])?requirements(?:[-_.].*)?\.txt$/.test(baseName(path)) || /(?:^|\/)requirements\/[^/]+\.txt$/.test(path),
  limit: 4 * 1024 * 1024,
  read(bytes, path) {
    const components: Component[] = [];
    const skipped: Skipped[] = [];
    const development = /(?:^|[-_.])(?:dev|test|tests|docs?|lint)(?:[-_.]|$)/.test(baseName(path).replace(/\.txt$/, ''));
    let continued = '';
    eachLine(decode(bytes), (raw, number) => {
      const joined = continued + raw;
      if (joined.length > longestRequirement) throw new Error(`line ${number} goes on for more than ${longestRequirement} characters`);
      if (joined.endsWith('\\')) {
        continued = `${joined.slice(0, -1)} `;
        return;
      }
      continued = '';
      const line = joined
        .replace(/\s+/g, ' ')
        .replace(/(?:^| )#.*$/, '')
        .trim();
      const included = /^(?:-r ?|--requirement[ =])(\S+)$/.exec(line)?.[1];
      if (included !== undefined && !requirements.wants(included))
        skipped.push(noVersion(path, line, 'it includes a file of another name'));
      // Options; files that are included are read by themselves.
      if (line === '' || /^-(?!e\b)|^--(?!editable)/.test(line)) return;
      const pin = /^([A-Za-z0-9][A-Za-z0-9._-]*) ?(?:\[[^\]]*\])? ?={2,3} ?([^ ;,#*]+) ?(?:;|--hash|$| )/.exec(line);
      if (!pin) {
        if (!/^(?:-e\s+|--editable[ =])?\.{0,2}\//.test(line) && !/^(?:-e\s+)?\.$/.test(line))
          skipped.push(noVersion(path, line.slice(0, 100), 'it is not pinned with =='));
        return;
      }
      const [, name = '', version = ''] = pin;
      components.push(
        pythonComponent(name, version, {
          scope: development ? 'development' : 'runtime',
          hashes: [...line.matchAll(/--hash[ =](\S+)/g)].flatMap(([, hash]) => hexHash(hash)),
          places: [{ path, line: number }],
        }),
      );
    });
    return { components, needs: [[projectOf(path), components.map(({ purl }) => purl)]], skipped };
  },
};

function noVersion(path: string, name: string, why: string): Skipped {
  return { path: `${path} → ${name.slice(0, 200)}`, reason: 'unknown-format', detail: `${why}: it cannot be looked up` };
}
