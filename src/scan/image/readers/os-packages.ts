import type { Component } from '../../component.ts';
import type { Reader } from '../../dependencies/reader.ts';
import { purlOf } from '../../dependencies/purl.ts';

const mib = 1024 * 1024;
/** Ten times those of the largest machines. */
const mostPackages = 100_000;
/** Of a longer one, only the beginning is read: names and versions are short. */
const longestLine = 4096;

/** Which distribution an image is of, once its os-release is known; until then packages wait with this in place of the ecosystem. */
export const unreleased = { dpkg: 'dpkg', apk: 'apk' } as const;

/** dpkg's status file, and the parts of it that distroless images have in `status.d` (deb-control(5), dpkg(1)); what ends with `.md5sums` has a reader of its own. */
export const dpkgStatus: Reader = {
  what: 'the database of dpkg',
  wants: (path) => path === 'var/lib/dpkg/status' || /^var\/lib\/dpkg\/status\.d\/[^/]+$/.test(path),
  limit: 64 * mib,
  read(bytes, path) {
    const components: Component[] = [];
    for (const { fields, line } of paragraphs(bytes)) {
      const name = fields.get('package');
      const version = fields.get('version');
      const maintainer = fields.get('maintainer');
      if (name === undefined) continue;
      // Removed, and at most its configuration is left; every other state, half of an installation too, has files (dpkg(1), "Package states").
      const state = fields.get('status')?.split(/\s+/).at(-1);
      if (state === 'not-installed' || state === 'config-files') continue;
      if (version === undefined) throw new Error(`the package ${name.slice(0, 100)} has no version`);
      const [, sourceName = name, sourceVersion = version] = /^(\S+)(?:\s+\((\S+)\))?/.exec(fields.get('source') ?? '') ?? [];
      if (components.length >= mostPackages) throw new Error(`more than ${mostPackages} packages`);
      components.push({
        purl: purlOf('deb', `debian/${name}`, version),
        ecosystem: unreleased.dpkg,
        name,
        version,
        source: { name: sourceName, version: sourceVersion },
        ...(maintainer === undefined ? {} : { maintainer }),
        scope: 'runtime',
        hashes: [],
        places: [{ path, line }],
      });
    }
    return { components, needs: [], skipped: [], installed: true };
  },
};

/** apk's database (wiki.alpinelinux.org, "Apk spec"): `P:` name, `V:` version, `o:` origin, the source package, `m:` maintainer. */
export const apkInstalled: Reader = {
  what: 'the database of apk',
  wants: (path) => path === 'lib/apk/db/installed' || path === 'usr/lib/apk/db/installed',
  limit: 64 * mib,
  read(bytes, path) {
    const components: Component[] = [];
    let line = 0;
    let start = 1;
    let fields = new Map<string, string>();
    const close = () => {
      const name = fields.get('P');
      const version = fields.get('V');
      const maintainer = fields.get('m');
      if (name !== undefined && version === undefined) throw new Error(`the package ${name.slice(0, 100)} has no version`);
      if (components.length >= mostPackages) throw new Error(`more than ${mostPackages} packages`);
      if (name !== undefined && version !== undefined)
        components.push({
          purl: purlOf('apk', `alpine/${name}`, version),
          ecosystem: unreleased.apk,
          name,
          version,
          source: { name: fields.get('o') ?? name, version },
          ...(maintainer === undefined ? {} : { maintainer }),
          scope: 'runtime',
          hashes: [],
          places: [{ path, line: start }],
        });
      fields = new Map();
    };
    for (const text of lines(bytes)) {
      line++;
      if (text === '') {
        close();
        start = line + 1;
      } else if (text[1] === ':' && 'PVom'.includes(text[0] ?? ' ') && !fields.has(text[0] ?? '')) fields.set(text[0] ?? '', text.slice(2));
    }
    close();
    return { components, needs: [], skipped: [], installed: true, files: { manager: 'apk', text: bytes } };
  },
};

/** Package managers whose databases nobody reads here. */
const unreadManagers: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/^(?:var|usr)\/lib\/(?:sysimage\/)?rpm\/(?:Packages|Packages\.db|rpmdb\.sqlite)$/, 'rpm'],
  [/^var\/lib\/pacman\/local\/ALPM_DB_VERSION$/, 'pacman'],
  [/^nix\/var\/nix\/db\/db\.sqlite$/, 'Nix'],
  [/^usr\/lib\/opkg\/status$/, 'opkg'],
  [/(?:^|\/)conda-meta\/history$/, 'conda'],
];

/** rpm's database has three formats, none of which a kept library reads without rpm itself. Each is told, so that nobody takes silence for an answer. */
export const unreadPackages: Reader = {
  what: 'the database of a package manager that is not read',
  wants: (path) => unreadManagers.some(([pattern]) => pattern.test(path)),
  limit: Number.MAX_SAFE_INTEGER,
  read(_, path) {
    const name = unreadManagers.find(([pattern]) => pattern.test(path))?.[1] ?? 'it';
    return {
      components: [],
      needs: [],
      skipped: [{ path, reason: 'unknown-format', detail: `packages of ${name} are not read: what is known about them is not looked up` }],
    };
  },
};

const wantedFields = new Set(['package', 'version', 'status', 'source', 'maintainer']);

function* paragraphs(bytes: Buffer): Generator<{ readonly fields: ReadonlyMap<string, string>; readonly line: number }> {
  let fields = new Map<string, string>();
  let start = 1;
  let line = 0;
  for (const each of lines(bytes)) {
    line++;
    if (each.trim() === '') {
      if (fields.size > 0) yield { fields, line: start };
      fields = new Map();
      start = line + 1;
      continue;
    }
    // What goes on from the line before.
    if (each.startsWith(' ') || each.startsWith('\t')) continue;
    const colon = each.indexOf(':');
    const name = colon > 0 && colon < 20 ? each.slice(0, colon).toLowerCase() : '';
    if (wantedFields.has(name)) fields.set(name, each.slice(colon + 1).trim());
  }
  if (fields.size > 0) yield { fields, line: start };
}

/** Without an array of all of them: a file of line ends has as many lines as bytes. */
export function* lines(bytes: Buffer): Generator<string> {
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(0x0a, at);
    const stop = end === -1 ? bytes.length : end;
    yield bytes.toString('utf8', at, Math.min(stop, at + longestLine)).replace(/\r$/, '');
    at = stop + 1;
  }
}
