import type { Component } from '../../component.ts';
import { hashesOf } from '../integrity.ts';
import { decode, entries, field, mapEntries, object, parseJson, text } from '../json.ts';
import { keyLines, placeOf } from '../lines.ts';
import { purlOf } from '../purl.ts';
import { lockLimit, projectOf, type Reader } from '../reader.ts';

/** packages.lock.json of NuGet, version 1 and 2 (learn.microsoft.com/nuget, "Locking dependencies"), also one for each project: `packages.NAME.lock.json`. */
export const nugetLock: Reader = {
  what: 'packages.lock.json',
  wants: (path) => /(?:^|\/)packages(?:\.[^/]+)?\.lock\.json$/.test(path),
  limit: lockLimit,
  read(bytes, path) {
    const lock = parseJson(bytes);
    const version = field(lock, 'version');
    if (version !== 1 && version !== 2) throw new Error(`version ${String(version).slice(0, 20)} is not known here`);
    const lineOf = keyLines(decode(bytes));
    const components: Component[] = [];
    const needs: [string, string[]][] = [];
    const direct = new Set<string>();
    for (const [, framework] of mapEntries(lock, 'dependencies')) {
      const idOf = new Map<string, string>();
      for (const [name, value] of entries(framework)) {
        const resolved = text(value, 'resolved');
        // Projects of the same solution have none.
        if (text(value, 'type') === 'Project') continue;
        if (resolved === undefined || resolved === '') throw new Error(`${name.slice(0, 100)} has no resolved version`);
        const purl = purlOf('nuget', name, resolved);
        idOf.set(name.toLowerCase(), purl);
        const hash = text(value, 'contentHash');
        components.push({
          purl,
          ecosystem: 'NuGet',
          name,
          version: resolved,
          scope: 'runtime',
          hashes: hash === undefined ? [] : hashesOf(`sha512-${hash}`),
          places: [placeOf(path, lineOf(name))],
        });
      }
      for (const [name, value] of entries(framework)) {
        const id = idOf.get(name.toLowerCase());
        const targets = entries(object(field(value, 'dependencies'))).flatMap(([needed]) => idOf.get(needed.toLowerCase()) ?? []);
        if (id === undefined) for (const target of targets) direct.add(target);
        else {
          needs.push([id, targets]);
          if (text(value, 'type') === 'Direct') direct.add(id);
        }
      }
    }
    return { components, needs: [[projectOf(path), [...direct]], ...needs], skipped: [] };
  },
};
