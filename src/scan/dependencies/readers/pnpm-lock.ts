import { LineCounter, isMap, isScalar, parseDocument } from 'yaml';
import type { Component } from '../../component.ts';
import type { Skipped } from '../../coverage.ts';
import { hashesOf } from '../integrity.ts';
import { entries, field, object, text } from '../json.ts';
import { purlOf } from '../purl.ts';
import { baseName, lockLimit, projectOf, type Reader } from '../reader.ts';

/** pnpm-lock.yaml of lockfileVersion 5 to 9 (pnpm/spec, lockfile). */
export const pnpmLock: Reader = {
  what: 'pnpm-lock.yaml',
  wants: (path) => baseName(path) === 'pnpm-lock.yaml',
  limit: lockLimit,
  read(bytes, path) {
    const lines = new LineCounter();
    const document = parseDocument(bytes.toString('utf8'), { lineCounter: lines, uniqueKeys: false });
    const [broken] = document.errors;
    if (broken) throw new Error(broken.message.split('\n')[0]);
    const lock: unknown = document.toJS({ maxAliasCount: 0 });
    const version = Number.parseFloat(String(field(lock, 'lockfileVersion') ?? ''));
    if (!(version >= 5 && version < 10)) throw new Error(`lockfileVersion ${String(field(lock, 'lockfileVersion'))} is not known here`);
    const lineOf = new Map<string, number>();
    const packages = document.get('packages');
    if (isMap(packages))
      for (const { key } of packages.items) if (isScalar(key) && key.range) lineOf.set(String(key.value), lines.linePos(key.range[0]).line);

    const components: Component[] = [];
    const skipped: Skipped[] = [];
    const idOf = new Map<string, string>();
    for (const [key, value] of entries(field(lock, 'packages'))) {
      const named = nameAndVersion(key, value, version);
      if ('problem' in named) {
        skipped.push({ path: `${path} → ${key.slice(0, 200)}`, reason: 'unknown-format', detail: named.problem });
        continue;
      }
      const purl = purlOf('npm', named.name, named.version);
      idOf.set(key, purl);
      const line = lineOf.get(key);
      components.push({
        purl,
        ecosystem: 'npm',
        name: named.name,
        version: named.version,
        scope: field(value, 'dev') === true ? 'development' : field(value, 'optional') === true ? 'optional' : 'runtime',
        hashes: hashesOf(field(field(value, 'resolution'), 'integrity')),
        places: [{ path, ...(line === undefined ? {} : { line }) }],
      });
    }
    const root = projectOf(path);
    const target = (name: string, ref: string): readonly string[] => {
      const id = refKeys(name, ref, version)
        .map((key) => idOf.get(key))
        .find((each) => each !== undefined);
      return id === undefined ? [] : [id];
    };
    const kinds = ['dependencies', 'devDependencies', 'optionalDependencies'] as const;
    const directOf = (project: unknown) =>
      kinds.flatMap((kind) =>
        entries(field(project, kind)).flatMap(([name, value]) => target(name, text(value) ?? text(value, 'version') ?? '')),
      );
    const importers = entries(field(lock, 'importers'));
    const projects =
      importers.length > 0
        ? importers.map(([folder, value]): [string, readonly string[]] => [
            folder === '.' ? root : `${root === './' ? './' : `${root}/`}${folder}`,
            directOf(value),
          ])
        : [[root, directOf(lock)] as const];
    // From version 9 on, who needs what stands in `snapshots`, whose keys name peers too.
    const graph = version >= 9 ? field(lock, 'snapshots') : field(lock, 'packages');
    const needs = entries(graph).flatMap(([key, value]): [string, readonly string[]][] => {
      const id = idOf.get(key) ?? idOf.get(withoutPeers(key));
      if (id === undefined) return [];
      return [
        [
          id,
          ['dependencies', 'optionalDependencies'].flatMap((kind) =>
            entries(field(object(value), kind)).flatMap(([name, ref]) => target(name, text(ref) ?? '')),
          ),
        ],
      ];
    });
    return {
      components: version >= 9 ? scoped(components, importers, needs, target) : components,
      needs: [...projects, ...needs],
      skipped,
    };
  },
};

/** Version 9 marks nothing as being for development: what no `dependencies` of a project leads to is. */
function scoped(
  components: readonly Component[],
  importers: readonly (readonly [string, unknown])[],
  needs: readonly (readonly [string, readonly string[]])[],
  target: (name: string, ref: string) => readonly string[],
): readonly Component[] {
  const reach = (kind: string): ReadonlySet<string> => {
    const graph = new Map<string, string[]>();
    for (const [from, to] of needs) graph.set(from, [...(graph.get(from) ?? []), ...to]);
    const seen = new Set<string>();
    const queue = importers.flatMap(([, value]) =>
      entries(field(value, kind)).flatMap(([name, each]) => target(name, text(each) ?? text(each, 'version') ?? '')),
    );
    for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
      if (seen.has(id)) continue;
      seen.add(id);
      queue.push(...(graph.get(id) ?? []));
    }
    return seen;
  };
  const runtime = reach('dependencies');
  const optional = reach('optionalDependencies');
  return components.map((component) => ({
    ...component,
    scope: runtime.has(component.purl) ? 'runtime' : optional.has(component.purl) ? 'optional' : 'development',
  }));
}

const withoutPeers = (key: string): string => key.replace(/\(.*$/, '');

/** `/a/1.0.0` (5), `/a@1.0.0` (6), `a@1.0.0` (9); with peers behind. */
function nameAndVersion(key: string, value: unknown, lock: number): { name: string; version: string } | { problem: string } {
  const given = { name: text(value, 'name'), version: text(value, 'version') };
  if (given.name !== undefined && given.version !== undefined) return { name: given.name, version: given.version };
  const bare = withoutPeers(key).replace(/^\//, '');
  const at = lock < 6 ? bare.lastIndexOf('/') : bare.indexOf('@', 1);
  const [name, version] =
    at === -1 ? [bare, ''] : [bare.slice(0, at), (lock < 6 ? bare.slice(at + 1).split('_')[0] : bare.slice(at + 1)) ?? ''];
  return /^\d/.test(version) ? { name, version } : { problem: 'it does not come from the registry of npm, and has no version there' };
}

/** What a reference of a dependency may be called among the packages. */
function refKeys(name: string, ref: string, lock: number): readonly string[] {
  if (ref === '' || ref.startsWith('link:')) return [];
  if (lock < 6) return ref.startsWith('/') ? [ref] : [`/${name}/${ref}`];
  const bare = withoutPeers(ref);
  if (lock < 9) return ref.startsWith('/') ? [ref, withoutPeers(ref)] : [`/${name}@${ref}`, `/${name}@${bare}`];
  return [`${name}@${bare}`, bare];
}
