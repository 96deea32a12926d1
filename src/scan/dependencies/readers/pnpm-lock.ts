import type { Component } from '../../component.ts';
import type { Skipped } from '../../coverage.ts';
import { Budget } from '../budget.ts';
import { hashesOf } from '../integrity.ts';
import { decode, entries, field, mapEntries, object, text } from '../json.ts';
import { eachLine, placeOf } from '../lines.ts';
import { below } from '../projects.ts';
import { scopedByReach } from '../reach.ts';
import { parseYaml } from '../yaml.ts';
import { purlOf } from '../purl.ts';
import { baseName, lockLimit, projectOf, type Reader } from '../reader.ts';

/** pnpm-lock.yaml of lockfileVersion 5 to 9 (pnpm/spec, lockfile). */
export const pnpmLock: Reader = {
  what: 'pnpm-lock.yaml',
  wants: (path) => baseName(path) === 'pnpm-lock.yaml',
  limit: lockLimit,
  read(bytes, path) {
    const lock = parseYaml(bytes);
    const version = Number.parseFloat(String(field(lock, 'lockfileVersion') ?? ''));
    if (!(version >= 5 && version < 10)) throw new Error(`lockfileVersion ${String(field(lock, 'lockfileVersion'))} is not known here`);
    const lineOf = packageLines(decode(bytes));
    const components: Component[] = [];
    const skipped: Skipped[] = [];
    const idOf = new Map<string, string>();
    for (const [key, value] of mapEntries(lock, 'packages')) {
      const named = nameAndVersion(key, value, version);
      if ('problem' in named) {
        skipped.push({ path: `${path} → ${key.slice(0, 200)}`, reason: 'unknown-format', detail: named.problem });
        continue;
      }
      const purl = purlOf('npm', named.name, named.version);
      idOf.set(key, purl);
      components.push({
        purl,
        ecosystem: 'npm',
        name: named.name,
        version: named.version,
        scope: field(value, 'dev') === 'true' ? 'development' : field(value, 'optional') === 'true' ? 'optional' : 'runtime',
        hashes: hashesOf(field(field(value, 'resolution'), 'integrity')),
        places: [placeOf(path, lineOf.get(key))],
      });
    }
    const root = projectOf(path);
    // An alias can make a thousand projects of one.
    const budget = new Budget();
    const target = (name: string, ref: string): readonly string[] => {
      budget.spend(name.length + ref.length);
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
    const importers = mapEntries(lock, 'importers');
    const projects =
      importers.length > 0
        ? importers.map(([folder, value]): [string, readonly string[]] => [below(root, folder), directOf(value)])
        : [[root, directOf(lock)] as const];
    // From version 9 on, who needs what stands in `snapshots`, whose keys name peers too.
    const graph = mapEntries(lock, version >= 9 ? 'snapshots' : 'packages');
    const needs = graph.flatMap(([key, value]): [string, readonly string[]][] => {
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
    // Version 9 marks nothing as being for development.
    const all = importers.length > 0 ? importers.map(([, project]) => project) : [lock];
    const rootsOf = (kind: string) =>
      all.flatMap((project) =>
        entries(field(project, kind)).flatMap(([name, value]) => target(name, text(value) ?? text(value, 'version') ?? '')),
      );
    const roots = { runtime: rootsOf('dependencies'), optional: rootsOf('optionalDependencies') };
    return {
      components: version >= 9 ? scopedByReach(components, needs, roots) : components,
      needs: [...projects, ...needs],
      skipped,
    };
  },
};

/** Of the keys of `packages`. */
function packageLines(content: string): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  let within = false;
  eachLine(content, (line, number) => {
    if (/^\S/.test(line)) within = line.startsWith('packages:');
    const [, quoted, bare] = (within && /^ {2}(?:'([^']+)'|([^\s'#].*?)):(?:\s|$)/.exec(line)) || [];
    const key = quoted ?? bare;
    if (key !== undefined && !found.has(key)) found.set(key, number);
  });
  return found;
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
