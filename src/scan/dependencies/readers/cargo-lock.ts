import { parse } from 'smol-toml';
import type { Component } from '../../component.ts';
import { hexHash } from '../integrity.ts';
import { field, list, text } from '../json.ts';
import { KeyLines } from '../json-lines.ts';
import { purlOf } from '../purl.ts';
import { baseName, lockLimit, projectOf, type Reader } from '../reader.ts';

/** Cargo.lock of version 1 to 4 (doc.rust-lang.org/cargo, "Cargo.lock"). It does not say what is for development only. */
export const cargoLock: Reader = {
  what: 'Cargo.lock',
  wants: (path) => baseName(path) === 'Cargo.lock',
  limit: lockLimit,
  read(bytes, path) {
    const content = bytes.toString('utf8');
    const lock: unknown = parse(content);
    const version = field(lock, 'version');
    if (version !== undefined && !(typeof version === 'number' && version >= 1 && version <= 4))
      throw new Error(`version ${String(version)} is not known here`);
    const lines = [...content.matchAll(/^\[\[package\]\]/gm)].map((match) => match.index);
    const counter = new KeyLines(content);
    const components: Component[] = [];
    const byName = new Map<string, { version: string; id: string }[]>();
    const packages = list(field(lock, 'package')).map((value, index) => {
      const name = text(value, 'name') ?? '';
      const number = text(value, 'version') ?? '';
      if (name === '' || number === '') throw new Error(`package ${index + 1} has no name or version`);
      // Without a source it is a member of the workspace.
      const source = text(value, 'source');
      const id = source === undefined ? `${projectOf(path) === './' ? './' : `${projectOf(path)}/`}${name}` : purlOf('cargo', name, number);
      byName.set(name, [...(byName.get(name) ?? []), { version: number, id }]);
      const at = lines[index];
      if (source !== undefined)
        components.push({
          purl: id,
          ecosystem: 'crates.io',
          name,
          version: number,
          scope: 'runtime',
          hashes: hexHash(text(value, 'checksum') ?? text(field(lock, 'metadata'), `checksum ${name} ${number} (${source})`)),
          places: [{ path, ...(at === undefined ? {} : { line: counter.lineAt(at) }) }],
        });
      return { value, id };
    });
    const needs = packages.map(({ value, id }): [string, string[]] => [
      id,
      list(field(value, 'dependencies')).flatMap((dependency) => {
        const [name = '', number] = String(dependency).split(' ');
        const candidates = byName.get(name) ?? [];
        const found = number === undefined ? candidates[0] : candidates.find((each) => each.version === number);
        return found ? [found.id] : [];
      }),
    ]);
    const members = packages.filter(({ id }) => id.startsWith('./')).map(({ id }) => id);
    return { components, needs: [[projectOf(path), members], ...needs], skipped: [] };
  },
};
