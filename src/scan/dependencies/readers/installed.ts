import type { Component } from '../../component.ts';
import { parseJson, text } from '../json.ts';
import { purlOf } from '../purl.ts';
import { baseName, type Reader } from '../reader.ts';
import { pythonComponent } from './python-locks.ts';

const mib = 1024 * 1024;

/** What npm and its kin have put into `node_modules`: one package.json for each package. */
export const nodeModules: Reader = {
  what: 'node_modules/*/package.json',
  wants: (path) => /(?:^|\/)node_modules\/(?:@[^/]+\/)?[^/@.][^/]*\/package\.json$/.test(path),
  limit: 2 * mib,
  read(bytes, path) {
    const manifest = parseJson(bytes);
    const name = text(manifest, 'name');
    const version = text(manifest, 'version');
    // Packages keep folders of examples and stubs with a package.json; a name and a version make a package.
    if (name === undefined || version === undefined || name === '' || version === '') return { components: [], needs: [], skipped: [] };
    const component: Component = {
      purl: purlOf('npm', name, version),
      ecosystem: 'npm',
      name,
      version,
      scope: 'runtime',
      hashes: [],
      places: [{ path }],
    };
    return { components: [component], needs: [], skipped: [], installed: true };
  },
};

/** What pip has put into `site-packages` (packaging.python.org, "Recording installed projects"): METADATA, or PKG-INFO of older ones. */
export const sitePackages: Reader = {
  what: '*.dist-info/METADATA',
  wants: (path) => /(?:^|\/)[^/]+\.dist-info\/METADATA$|(?:^|\/)[^/]+\.egg-info(?:\/PKG-INFO)?$|(?:^|\/)EGG-INFO\/PKG-INFO$/.test(path),
  limit: 4 * mib,
  read(bytes, path) {
    const content = bytes.toString('utf8');
    const head = content.slice(0, Math.max(0, content.search(/\r?\n\r?\n/)) || undefined);
    const name = /^Name:\s*(\S+)\s*$/m.exec(head)?.[1];
    const version = /^Version:\s*(\S+)\s*$/m.exec(head)?.[1];
    if (name === undefined || version === undefined) {
      if (baseName(path) === 'PKG-INFO' || baseName(path) === 'METADATA') throw new Error('it has no Name and Version');
      return { components: [], needs: [], skipped: [] };
    }
    return { components: [pythonComponent(name, version, { places: [{ path }] })], needs: [], skipped: [], installed: true };
  },
};
