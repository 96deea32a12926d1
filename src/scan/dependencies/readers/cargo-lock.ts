import { parse } from 'smol-toml';
import type { Component } from '../../component.ts';
import { hexHash } from '../integrity.ts';
import { decode, field, list, text } from '../json.ts';
import { placeOf, tableLines } from '../lines.ts';
import { below } from '../projects.ts';
import { purlOf } from '../purl.ts';
import { baseName, lockLimit, projectOf, type Reader } from '../reader.ts';

/** Cargo.lock of version 1 to 4 (doc.rust-lang.org/cargo, "Cargo.lock"). It does not say what is for development only. */
export const cargoLock: Reader = {
  what: 'Cargo.lock',
  wants: (path) => baseName(path) === 'Cargo.lock',
  limit: lockLimit,
  read(bytes, path) {
    const content = decode(bytes);
    const lock: unknown = parse(content);
    const version = field(lock, 'version');
    if (version !== undefined && !(typeof version === 'number' && version >= 1 && version <= 4))
      throw new Error(`version ${String(version)} is not known here`);
    const lines = tableLines(content, '[[package]]');
    const components: Component[] = [];
    const byName = new Map<string, Map<string, string>>();
    const packages = list(field(lock, 'package')).map((value, index) => {
      const name = text(value, 'name') ?? '';
      const number = text(value, 'version') ?? '';
      if (name === '' || number === '') throw new Error(`package ${index + 1} has no name or version`);
      // Without a source it is a member of the workspace.
      const source = text(value, 'source');
      const id = source === undefined ? below(projectOf(path), name) : purlOf('cargo', name, number);
      const same = byName.get(name);
      if (same) same.set(number, id);
      else byName.set(name, new Map([[number, id]]));
      if (source !== undefined)
        components.push({
          purl: id,
          ecosystem: 'crates.io',
          name,
          version: number,
          scope: 'runtime',
          hashes: hexHash(text(value, 'checksum') ?? text(field(lock, 'metadata'), `checksum ${name} ${number} (${source})`)),
          places: [placeOf(path, lines[index])],
        });
      return { value, id };
    });
    const needs = packages.map(({ value, id }): [string, string[]] => [
      id,
      list(field(value, 'dependencies')).flatMap((dependency) => {
        const [name = '', number] = String(dependency).split(' ');
        const versions = byName.get(name);
        // Only where there are several is the version told.
        const found = number === undefined ? versions?.values().next().value : versions?.get(number);
        return found === undefined ? [] : [found];
      }),
    ]);
    const members = packages.filter(({ id }) => id.startsWith('./')).map(({ id }) => id);
    return { components, needs: [[projectOf(path), members], ...needs], skipped: [] };
  },
};
