import { parse } from 'smol-toml';
import type { Component } from '../../component.ts';
import type { Skipped } from '../../coverage.ts';
import { hexHash } from '../integrity.ts';
import { decode, entries, field, list, text } from '../json.ts';
import { placeOf, tableLines } from '../lines.ts';
import { baseName, lockLimit, projectOf, type Reader } from '../reader.ts';
import { pythonComponent, pythonName } from './python-locks.ts';

/** pylock.toml and pylock.NAME.toml (packaging.python.org, "pylock.toml Specification", PEP 751). */
export const pylock: Reader = {
  what: 'pylock.toml',
  wants: (path) => /^pylock(?:\.[^.]+)?\.toml$/.test(baseName(path)),
  limit: lockLimit,
  read(bytes, path) {
    const content = decode(bytes);
    const lock: unknown = parse(content);
    const version = text(lock, 'lock-version');
    if (version?.startsWith('1.') !== true) throw new Error(`lock-version ${String(version).slice(0, 20)} is not known here`);
    const lines = tableLines(content, '[[packages]]');
    const components: Component[] = [];
    const skipped: Skipped[] = [];
    const ids = new Map<string, string>();
    const values: (readonly [id: string, value: unknown])[] = [];
    for (const [index, value] of list(field(lock, 'packages')).entries()) {
      const [name, number] = [text(value, 'name'), text(value, 'version')];
      if (name === undefined || name === '') throw new Error(`package ${index + 1} has no name`);
      if (field(value, 'directory') !== undefined) continue;
      if (number === undefined) {
        skipped.push({
          path: `${path} → ${name.slice(0, 200)}`,
          reason: 'unknown-format',
          detail: 'it has no version: it cannot be looked up',
        });
        continue;
      }
      const files = [...list(field(value, 'wheels')), field(value, 'sdist'), field(value, 'archive')];
      const hashes = files.flatMap((file) =>
        entries(field(file, 'hashes')).flatMap(([algorithm, hex]) => hexHash(`${algorithm}:${String(hex)}`)),
      );
      const component = pythonComponent(name, number, { hashes, places: [placeOf(path, lines[index])] });
      components.push(component);
      ids.set(component.name, component.purl);
      values.push([component.purl, value]);
    }
    const needed = new Set<string>();
    const needs = values.map(([id, value]): [string, string[]] => {
      const targets = list(field(value, 'dependencies')).flatMap((each) => ids.get(pythonName(text(each, 'name') ?? '')) ?? []);
      for (const target of targets) if (target !== id) needed.add(target);
      return [id, targets];
    });
    return {
      components,
      needs: [[projectOf(path), components.map(({ purl }) => purl).filter((purl) => !needed.has(purl))], ...needs],
      skipped,
    };
  },
};
