import type { Component } from '../../component.ts';
import { hexHash } from '../integrity.ts';
import { decode, entries, field, list, parseJson, text } from '../json.ts';
import { linesBy, placeOf } from '../lines.ts';
import { purlOf } from '../purl.ts';
import { baseName, lockLimit, projectOf, type Reader } from '../reader.ts';

/** composer.lock (getcomposer.org/doc): `packages` and `packages-dev`. What the project itself asks for is in composer.json: what nothing else needs is direct. */
export const composerLock: Reader = {
  what: 'composer.lock',
  wants: (path) => baseName(path) === 'composer.lock',
  limit: lockLimit,
  read(bytes, path) {
    const lock = parseJson(bytes);
    if (!Array.isArray(field(lock, 'packages'))) throw new Error('it has no list of packages');
    const lines = linesBy(decode(bytes), /^\s*"name"\s*:\s*"([^"\\]+\/[^"\\]+)"/);
    const idOf = new Map<string, string>();
    const components: Component[] = [];
    const values: (readonly [id: string, value: unknown])[] = [];
    for (const section of ['packages', 'packages-dev'] as const)
      for (const [index, value] of list(field(lock, section)).entries()) {
        const [name, version] = [text(value, 'name'), text(value, 'version')];
        if (name === undefined || version === undefined || name === '' || version === '')
          throw new Error(`${section}[${index}] has no name or version`);
        // A package of a folder of the tree is its own.
        if (text(field(value, 'dist'), 'type') === 'path') continue;
        const purl = purlOf('composer', name, version);
        idOf.set(name.toLowerCase(), purl);
        values.push([purl, value]);
        components.push({
          purl,
          ecosystem: 'Packagist',
          name,
          version,
          scope: section === 'packages' ? 'runtime' : 'development',
          hashes: hexHash(text(field(value, 'dist'), 'shasum'), 'sha1'),
          places: [placeOf(path, lines.get(name))],
        });
      }
    const needed = new Set<string>();
    const needs = values.map(([id, value]): [string, string[]] => {
      const targets = entries(field(value, 'require')).flatMap(([name]) => idOf.get(name.toLowerCase()) ?? []);
      for (const target of targets) if (target !== id) needed.add(target);
      return [id, targets];
    });
    return {
      components,
      needs: [[projectOf(path), components.map(({ purl }) => purl).filter((purl) => !needed.has(purl))], ...needs],
      skipped: [],
    };
  },
};
