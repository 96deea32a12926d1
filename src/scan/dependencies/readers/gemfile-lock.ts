import type { Component } from '../../component.ts';
import { hexHash } from '../integrity.ts';
import { decode } from '../json.ts';
import { eachLine } from '../lines.ts';
import { purlOf } from '../purl.ts';
import { baseName, lockLimit, projectOf, type Reader } from '../reader.ts';

/**
 * Gemfile.lock and gems.locked of Bundler: sections with what they hold indented by two, four (gems) and six (what those need) spaces. Gems under `PATH` are
 * the tree's own; groups such as `:development` are not in it. A version with a platform (`1.13.0-x86_64-linux`) is that version.
 */
export const gemfileLock: Reader = {
  what: 'Gemfile.lock',
  wants: (path) => ['Gemfile.lock', 'gems.locked'].includes(baseName(path)),
  limit: lockLimit,
  read(bytes, path) {
    const versions = new Map<string, { version: string; line: number }[]>();
    const needed = new Map<string, Set<string>>();
    const own = new Set<string>();
    const direct = new Set<string>();
    const hashes = new Map<string, Component['hashes']>();
    let section = '';
    let current: string | undefined;
    eachLine(decode(bytes), (line, number) => {
      if (line.trim() === '') return;
      if (/^\S/.test(line)) {
        section = line.trim();
        if (/^[<>=]{7}/.test(section)) throw new Error(`line ${number}: a merge was left unfinished`);
        current = undefined;
        return;
      }
      const [, indent = '', name = '', version, rest = ''] = /^( +)([^\s()!]+)!?(?: \(([^()]*)\))?(.*)$/.exec(line) ?? [];
      if (section === 'DEPENDENCIES' && indent.length === 2) direct.add(name);
      else if (section === 'CHECKSUMS' && indent.length === 2 && version !== undefined)
        hashes.set(
          `${name} ${plain(version)}`,
          rest.split(',').flatMap((each) => hexHash(each.trim().replace('=', ':'))),
        );
      else if (indent.length === 4 && /^(?:GEM|GIT|PATH|PLUGIN SOURCE)$/.test(section)) {
        if (version === undefined || version === '') throw new Error(`line ${number}: a gem without a version`);
        current = name;
        if (section === 'PATH') own.add(name);
        const known = versions.get(name) ?? [];
        versions.set(name, known);
        if (!known.some((each) => each.version === plain(version))) known.push({ version: plain(version), line: number });
      } else if (indent.length === 6 && current !== undefined) {
        const set = needed.get(current) ?? new Set();
        needed.set(current, set.add(name));
      }
    });
    if (!/^(?:GEM|GIT|PATH|DEPENDENCIES)$/m.test(decode(bytes).replaceAll('\r', ''))) throw new Error('it has no section of Bundler');
    const project = projectOf(path);
    const idsOf = (name: string): readonly string[] =>
      own.has(name) ? [] : (versions.get(name) ?? []).map(({ version }) => purlOf('gem', name, version));
    const components = [...versions].flatMap(([name, all]) =>
      own.has(name)
        ? []
        : all.map(({ version, line }): Component => ({
            purl: purlOf('gem', name, version),
            ecosystem: 'RubyGems',
            name,
            version,
            scope: 'runtime',
            hashes: hashes.get(`${name} ${version}`) ?? [],
            places: [{ path, line }],
          })),
    );
    // What the tree's own gems need, it needs.
    const asked = [...direct, ...[...own].flatMap((name) => [...(needed.get(name) ?? [])])];
    const needs = [...needed].flatMap(([name, to]) => idsOf(name).map((id): [string, string[]] => [id, [...to].flatMap(idsOf)]));
    return { components, needs: [[project, [...new Set(asked.flatMap(idsOf))]], ...needs], skipped: [] };
  },
};

/** Versions of gems have no hyphen: what follows is the platform. */
function plain(version: string): string {
  return version.split('-')[0] ?? version;
}
