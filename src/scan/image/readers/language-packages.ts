import type { Component } from '../../component.ts';
import { entries, field, list, parseJson, text } from '../../dependencies/json.ts';
import { hashesOf } from '../../dependencies/integrity.ts';
import { purlOf } from '../../dependencies/purl.ts';
import type { Reader } from '../../dependencies/reader.ts';

const mib = 1024 * 1024;

/** Ruby's gems: RubyGems writes `# stub: NAME VERSION PLATFORM PATHS` into each specification that it installs. */
export const gemSpecifications: Reader = {
  what: 'specifications/*.gemspec',
  wants: (path) => /(?:^|\/)specifications\/(?:default\/)?[^/]+\.gemspec$/.test(path),
  limit: 2 * mib,
  read(bytes, path) {
    const head = bytes.toString('utf8', 0, 4096);
    const [, name, version] = /^# stub: (\S+) (\S+) /m.exec(head) ?? [];
    if (name === undefined || version === undefined) throw new Error('it has no line "# stub:"');
    return { components: [component('gem', 'RubyGems', name, version, path)], needs: [], skipped: [], installed: true };
  },
};

/** PHP's packages, as Composer 1 and 2 list what they have installed. */
export const composerInstalled: Reader = {
  what: 'vendor/composer/installed.json',
  wants: (path) => /(?:^|\/)vendor\/composer\/installed\.json$/.test(path),
  limit: 32 * mib,
  read(bytes, path) {
    const content = parseJson(bytes);
    const packages = Array.isArray(content) ? content : field(content, 'packages');
    if (!Array.isArray(packages)) throw new Error('it has no list of packages');
    const components = packages.map((each: unknown) => {
      const [name, version] = [text(each, 'name'), text(each, 'version')];
      if (name === undefined || version === undefined) throw new Error('a package without name and version');
      return component('composer', 'Packagist', name, version.replace(/^v(?=\d)/, ''), path);
    });
    const development = new Set(list(field(content, 'dev-package-names')));
    return {
      components: components.map((each) => (development.has(each.name) ? { ...each, scope: 'development' as const } : each)),
      needs: [],
      skipped: [],
      installed: true,
    };
  },
};

/** .NET's applications: `libraries` of type `package` are NuGet's (runtime configuration files, "deps.json"). */
export const dotnetDeps: Reader = {
  what: '*.deps.json',
  wants: (path) => path.endsWith('.deps.json'),
  limit: 32 * mib,
  read(bytes, path) {
    const components = entries(field(parseJson(bytes), 'libraries')).flatMap(([key, library]): Component[] => {
      if (text(library, 'type') !== 'package') return [];
      const slash = key.lastIndexOf('/');
      if (slash < 1 || slash === key.length - 1) throw new Error(`${JSON.stringify(key.slice(0, 100))} is no NAME/VERSION`);
      const found = component('nuget', 'NuGet', key.slice(0, slash), key.slice(slash + 1), path);
      return [{ ...found, hashes: hashesOf(text(library, 'sha512')) }];
    });
    return { components, needs: [], skipped: [], installed: true };
  },
};

function component(type: string, ecosystem: string, name: string, version: string, path: string): Component {
  return { purl: purlOf(type, name, version), ecosystem, name, version, scope: 'runtime', hashes: [], places: [{ path }] };
}
