import type { Component } from '../../component.ts';
import { decode } from '../json.ts';
import { eachLine } from '../lines.ts';
import { purlOf } from '../purl.ts';
import { baseName, lockLimit, projectOf, type Reader } from '../reader.ts';

/**
 * Locks of Gradle (docs.gradle.org, "Locking Versions"): lines of `group:artifact:version=configuration,…`; of Gradle before 7 one file for each configuration,
 * `gradle/dependency-locks/NAME.lockfile`, without the part behind `=`. They know no graph. What only configurations of tests, or the build itself,
 * use is for development.
 */
export const gradleLock: Reader = {
  what: 'gradle.lockfile',
  wants: (path) =>
    ['gradle.lockfile', 'buildscript-gradle.lockfile'].includes(baseName(path)) ||
    /(?:^|\/)gradle\/dependency-locks\/[^/]+\.lockfile$/.test(path),
  limit: lockLimit,
  read(bytes, path) {
    const components: Component[] = [];
    const file = baseName(path);
    const single = /^(?:buildscript-)?gradle\.lockfile$/.test(file) ? undefined : file.replace(/\.lockfile$/, '');
    const buildOnly = file.startsWith('buildscript-');
    eachLine(decode(bytes), (raw, number) => {
      const line = raw.trim();
      if (line === '' || line.startsWith('#') || line.startsWith('empty=')) return;
      const [, group = '', artifact = '', version = '', configurations = single] =
        /^([^:=\s]+):([^:=\s]+):([^:=\s]+)(?:=(\S*))?$/.exec(line) ?? [];
      if (version === '' || configurations === undefined) throw new Error(`line ${number}: no group:artifact:version=configurations`);
      const name = `${group}:${artifact}`;
      const forTests = configurations !== '' && configurations.split(',').every((one) => /test/i.test(one));
      components.push({
        purl: purlOf('maven', name, version),
        ecosystem: 'Maven',
        name,
        version,
        scope: buildOnly || forTests ? 'development' : 'runtime',
        hashes: [],
        places: [{ path, line: number }],
      });
    });
    const project = projectOf(path.replace(/(?:^|\/)gradle\/dependency-locks\/(?=[^/]+$)/, (whole) => (whole.startsWith('/') ? '/' : '')));
    return { components, needs: [[project, components.map(({ purl }) => purl)]], skipped: [] };
  },
};
