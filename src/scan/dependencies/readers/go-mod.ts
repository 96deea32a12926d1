import type { Component } from '../../component.ts';
import { compareVersions } from '../../advisories/versions/order.ts';
import { goOrder } from '../../advisories/versions/semver.ts';
import { decode } from '../json.ts';
import { eachLine } from '../lines.ts';
import { purlOf } from '../purl.ts';
import { baseName, lockLimit, projectOf, type Reader } from '../reader.ts';

/**
 * go.mod (go.dev/ref/mod, "go.mod files"). From `go 1.17` on it names every module that a build of the project's packages can use; before, the indirect
 * ones are missing. Then go.sum fills in.
 */
export const goMod: Reader = {
  what: 'go.mod',
  wants: (path) => baseName(path) === 'go.mod',
  limit: 4 * 1024 * 1024,
  read(bytes, path) {
    const required = new Map<string, { version: string; line: number; direct: boolean }>();
    const replaced: { from: string; version: string | undefined; to: string; toVersion: string | undefined }[] = [];
    let go = '';
    let toolchain: string | undefined;
    let goLine = 1;
    let block = '';
    for (const [index, raw] of decode(bytes).split(/\r?\n/).entries()) {
      const comment = raw.indexOf('//');
      const note = comment === -1 ? '' : raw.slice(comment);
      const words = (comment === -1 ? raw : raw.slice(0, comment))
        .trim()
        .split(/\s+/)
        .filter((word) => word !== '')
        .map(unquote);
      if (words.length === 0) continue;
      if (block !== '' && words[0] === ')') {
        block = '';
        continue;
      }
      const [verb = '', ...rest] = block === '' ? words : [block, ...words];
      if (block === '' && rest.at(-1) === '(') {
        block = verb;
        continue;
      }
      if (verb === 'go') {
        go = rest[0] ?? '';
        goLine = index + 1;
      } else if (verb === 'toolchain') toolchain = rest[0]?.replace(/^go/, '');
      else if (verb === 'require') {
        const [module = '', version = ''] = rest;
        if (module === '' || !/^v\d/.test(version)) throw new Error(`line ${index + 1}: no module and version`);
        required.set(module, { version, line: index + 1, direct: !/\/\/\s*indirect/.test(note) });
      } else if (verb === 'replace') {
        const arrow = rest.indexOf('=>');
        if (arrow < 1) throw new Error(`line ${index + 1}: a replacement without =>`);
        replaced.push({
          from: rest[0] ?? '',
          version: arrow > 1 ? rest[1] : undefined,
          to: rest[arrow + 1] ?? '',
          toVersion: rest[arrow + 2],
        });
      }
    }
    const replacements = new Map(
      // Of several about one version the first counts.
      replaced.toReversed().map((each) => [each.version === undefined ? each.from : `${each.from}@${each.version}`, each]),
    );
    const project = projectOf(path);
    const components: Component[] = [];
    const direct: string[] = [];
    const indirect: string[] = [];
    for (const [module, { version, line, direct: isDirect }] of required) {
      const other = replacements.get(`${module}@${version}`) ?? replacements.get(module);
      if (other && (/^\.{0,2}\//.test(other.to) || other.to === '.' || other.to === '..')) continue;
      const component = goComponent(other?.to ?? module, other?.toVersion ?? version, { path, line });
      components.push(component);
      (isDirect ? direct : indirect).push(component.purl);
    }
    const compiler = toolchain ?? go;
    // `go 1.21` without a patch version names a language, not a toolchain.
    if (/^\d+\.\d+\.\d+/.test(compiler)) {
      const std = goComponent('stdlib', `v${compiler}`, { path, line: goLine });
      components.push(std);
      direct.push(std.purl);
    }
    const old = go === '' || isBefore(go, 17);
    return {
      components,
      needs: [[project, [...direct, ...indirect]]],
      skipped: [],
      ...(old && required.size > 0 ? { lacks: { locks: /^go\.sum$/, above: false, detail: lackOf(go) } } : {}),
    };
  },
};

/** @param version with its `v`; advisories write it without */
export function goComponent(module: string, version: string, place: Component['places'][number]): Component {
  const bare = version.replace(/^v/, '');
  return {
    purl: purlOf('golang', module, version),
    ecosystem: 'Go',
    name: module,
    version: bare,
    scope: 'runtime',
    hashes: [],
    places: [place],
  };
}

const lackOf = (go: string) =>
  `with \`go ${go || '(none)'}\` it does not name what its modules need, and there is no go.sum; run: go mod tidy -go=1.17 or newer`;

/**
 * go.sum, where go.mod is of a Go before 1.17: of each module the highest version whose content was fetched, as minimal version selection takes it. Versions that
 * were only looked at (`…/go.mod`) are left out; one that is not used any more may be among the others until `go mod tidy`.
 */
export const goSum: Reader = {
  what: 'go.sum',
  wants: (path) => baseName(path) === 'go.sum',
  limit: lockLimit,
  read(bytes, path) {
    const highest = new Map<string, { version: string; line: number }>();
    eachLine(decode(bytes), (text, line) => {
      if (text.trim() === '') return;
      const [module = '', version = '', hash] = text.trim().split(/\s+/);
      if (hash === undefined || !/^v\d/.test(version)) throw new Error(`line ${line}: no module, version and hash`);
      if (version.endsWith('/go.mod')) return;
      const known = highest.get(module);
      if (!known || (compareVersions(goOrder, version, known.version) ?? 0) > 0) highest.set(module, { version, line });
    });
    const components = [...highest].map(([module, { version, line }]) => goComponent(module, version, { path, line }));
    return { components, needs: [[projectOf(path), components.map(({ purl }) => purl)]], skipped: [], fills: true };
  },
};

function isBefore(go: string, minor: number): boolean {
  const [, major = '0', small = '0'] = /^(\d+)\.(\d+)/.exec(go) ?? [];
  return Number(major) < 1 || (Number(major) === 1 && Number(small) < minor);
}

function unquote(word: string): string {
  return word.replace(/^["`](.*)["`]$/, '$1');
}
