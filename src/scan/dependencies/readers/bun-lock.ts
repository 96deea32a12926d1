import type { Component } from '../../component.ts';
import type { Skipped } from '../../coverage.ts';
import { Budget } from '../budget.ts';
import { hashesOf } from '../integrity.ts';
import { decode, entries, field, list, mapEntries, text } from '../json.ts';
import { linesBy, placeOf } from '../lines.ts';
import { below } from '../projects.ts';
import { purlOf } from '../purl.ts';
import { scopedByReach } from '../reach.ts';
import { baseName, lockLimit, projectOf, type Reader } from '../reader.ts';
import { parseYaml } from '../yaml.ts';

const kinds = ['dependencies', 'optionalDependencies', 'peerDependencies', 'devDependencies'] as const;

/**
 * bun.lock (bun.com/docs/pm/lockfile): JSON with commas at the end, which is YAML too. `packages` is a map from `parent/name` to
 * `[name@version, registry, { dependencies … }, integrity]`.
 */
export const bunLock: Reader = {
  what: 'bun.lock',
  wants: (path) => baseName(path) === 'bun.lock',
  limit: lockLimit,
  read(bytes, path) {
    const lock = parseYaml(bytes);
    const version = Number(field(lock, 'lockfileVersion'));
    if (!(version >= 0 && version <= 2))
      throw new Error(`lockfileVersion ${String(field(lock, 'lockfileVersion')).slice(0, 20)} is not known here`);
    const lines = linesBy(decode(bytes), /^\s*"([^"\\]*)"\s*:\s*\[/);
    const root = projectOf(path);
    const components: Component[] = [];
    const skipped: Skipped[] = [];
    const idOf = new Map<string, string>();
    const packages = mapEntries(lock, 'packages');
    for (const [key, value] of packages) {
      const [resolution, , , integrity] = list(value);
      const asked = text(resolution) ?? '';
      const at = asked.indexOf('@', 1);
      const [name, found] = at === -1 ? [asked, ''] : [asked.slice(0, at), asked.slice(at + 1)];
      const folder = /^workspace:(.*)$/s.exec(found)?.[1];
      if (folder !== undefined) idOf.set(key, below(root, folder));
      else if (/^(?:root|link|file|portal):|^\.{0,2}\//.test(found)) continue;
      else if (!/^\d/.test(found)) {
        const detail = `it comes from ${found.slice(0, 200) || 'nowhere'}, and has no version of the registry`;
        skipped.push({ path: `${path} → ${key.slice(0, 200)}`, reason: 'unknown-format', detail });
      } else {
        const purl = purlOf('npm', name, found);
        idOf.set(key, purl);
        const hashes = hashesOf(integrity);
        components.push({
          purl,
          ecosystem: 'npm',
          name,
          version: found,
          scope: 'runtime',
          hashes,
          places: [placeOf(path, lines.get(key))],
        });
      }
    }
    const budget = new Budget();
    const resolve = (parents: readonly string[], name: string): readonly string[] => {
      for (let depth = parents.length; depth >= 0; depth--) {
        const at = [...parents.slice(0, depth), name].join('/');
        budget.spend(at.length);
        const id = idOf.get(at);
        if (id !== undefined) return [id];
      }
      return [];
    };
    const needs: [string, string[]][] = [];
    const roots = { runtime: [] as string[], optional: [] as string[] };
    for (const [folder, value] of mapEntries(lock, 'workspaces')) {
      const parents = [text(value, 'name') ?? ''].filter((name) => name !== '' && folder !== '');
      const of = (kind: string) => entries(field(value, kind)).flatMap(([name]) => resolve(parents, name));
      roots.runtime.push(...of('dependencies'));
      roots.optional.push(...of('optionalDependencies'), ...of('peerDependencies'));
      needs.push([below(root, folder), kinds.flatMap(of)]);
    }
    for (const [key, value] of packages) {
      const id = idOf.get(key);
      if (id?.startsWith('pkg:') !== true) continue;
      const parents = segments(key);
      const of = (kind: string) => entries(field(list(value)[2], kind)).flatMap(([name]) => resolve(parents, name));
      needs.push([id, ['dependencies', 'optionalDependencies', 'peerDependencies'].flatMap(of)]);
    }
    // A workspace that another one needs brings what it runs with, which is among the roots, and not what it is developed with.
    const ofPackages = needs.filter(([from]) => from.startsWith('pkg:'));
    return { components: scopedByReach(components, ofPackages, roots), needs, skipped };
  },
};

const deepestNesting = 100;

/** `@x/web/@s/a/b` → `@x/web`, `@s/a`, `b`. */
function segments(key: string): readonly string[] {
  const found = key.match(/@[^/]+\/[^/]+|[^/]+/g) ?? [];
  return found.slice(0, deepestNesting);
}
