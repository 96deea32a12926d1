import type { Component } from '../../component.ts';
import type { Reader, Reading } from '../../dependencies/reader.ts';
import { purlOf } from '../../dependencies/purl.ts';

const mib = 1024 * 1024;

/** Which distribution an image is of, once its os-release is known; until then packages wait with this in place of the ecosystem. */
export const unreleased = { dpkg: 'dpkg', apk: 'apk' } as const;

/** dpkg's status file, and the parts of it that distroless images have in `status.d` (deb-control(5), dpkg(1)). */
export const dpkgStatus: Reader = {
  what: 'the database of dpkg',
  wants: (path) => path === 'var/lib/dpkg/status' || /^var\/lib\/dpkg\/status\.d\/[^/]+$/.test(path),
  limit: 64 * mib,
  read(bytes, path) {
    if (path.endsWith('.md5sums')) return nothing;
    const components: Component[] = [];
    for (const { fields, line } of paragraphs(bytes.toString('utf8'))) {
      const name = fields.get('package');
      const version = fields.get('version');
      if (name === undefined) continue;
      // Removed, and only its configuration is left.
      const status = fields.get('status');
      if (status !== undefined && !/\binstalled$/.test(status)) continue;
      if (version === undefined) throw new Error(`the package ${name} has no version`);
      const [, sourceName = name, sourceVersion = version] = /^(\S+)(?:\s+\((\S+)\))?/.exec(fields.get('source') ?? '') ?? [];
      components.push({
        purl: purlOf('deb', `debian/${name}`, version),
        ecosystem: unreleased.dpkg,
        name,
        version,
        source: { name: sourceName, version: sourceVersion },
        scope: 'runtime',
        hashes: [],
        places: [{ path, line }],
      });
    }
    return { components, needs: [], skipped: [], installed: true };
  },
};

/** apk's database (wiki.alpinelinux.org, "Apk spec"): `P:` name, `V:` version, `o:` origin, the source package. */
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
      if (name !== undefined && version !== undefined)
        components.push({
          purl: purlOf('apk', `alpine/${name}`, version),
          ecosystem: unreleased.apk,
          name,
          version,
          source: { name: fields.get('o') ?? name, version },
          scope: 'runtime',
          hashes: [],
          places: [{ path, line: start }],
        });
      fields = new Map();
    };
    for (const text of bytes.toString('utf8').split('\n')) {
      line++;
      if (text === '') {
        close();
        start = line + 1;
      } else if (text[1] === ':' && !fields.has(text[0] ?? '')) fields.set(text[0] ?? '', text.slice(2));
    }
    close();
    return { components, needs: [], skipped: [], installed: true };
  },
};

/** rpm's databases, in three formats, none of which a kept library reads without the database's own program. */
export const rpmDatabase: Reader = {
  what: 'the database of rpm',
  wants: (path) => /^(?:var|usr)\/lib\/(?:sysimage\/)?rpm\/(?:Packages|Packages\.db|rpmdb\.sqlite)$/.test(path),
  limit: Number.MAX_SAFE_INTEGER,
  read: (_, path) => ({
    components: [],
    needs: [],
    skipped: [{ path, reason: 'unknown-format', detail: 'packages of rpm are not read: what is known about them is not looked up' }],
  }),
};

const nothing: Reading = { components: [], needs: [], skipped: [] };

function* paragraphs(text: string): Generator<{ readonly fields: ReadonlyMap<string, string>; readonly line: number }> {
  let fields = new Map<string, string>();
  let start = 1;
  let line = 0;
  for (const each of text.split('\n')) {
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
    if (colon > 0) fields.set(each.slice(0, colon).toLowerCase(), each.slice(colon + 1).trim());
  }
  if (fields.size > 0) yield { fields, line: start };
}
