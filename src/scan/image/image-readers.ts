import type { Reader } from '../dependencies/reader.ts';
import { installedReaders, readers as treeReaders } from '../dependencies/readers.ts';
import { unreadFiles } from '../dependencies/readers/unread.ts';
import { goBinary } from './probes/go-binary.ts';
import { jarProbe } from './probes/jar.ts';
import type { Probe } from './probes/probe.ts';
import { composerInstalled, dotnetDeps, gemSpecifications } from './readers/language-packages.ts';
import { dpkgSums } from './package-files.ts';
import { apkInstalled, dpkgStatus, unreadPackages } from './readers/os-packages.ts';

/** Packages of the system first. Lock files too, since images of sources have them; but not those that only tell what would be installed somewhere. */
const imageReaders: readonly Reader[] = [
  dpkgSums,
  dpkgStatus,
  apkInstalled,
  unreadPackages,
  gemSpecifications,
  composerInstalled,
  dotnetDeps,
  ...treeReaders.filter((reader) => reader !== unreadFiles),
];
const inPackage = /(?:^|\/)(?:node_modules|site-packages|dist-packages)\//;
const probes = [goBinary, jarProbe()];

/** Who reads a file by its path. Lock files of packages that are installed have no effect. */
export function readerFor(path: string): Reader | undefined {
  return (inPackage.test(path) ? installedReaders : imageReaders).find((reader) => reader.wants(path));
}

/** It is known by its name, and its content is not wanted. */
export function isNamedOnly(reader: Reader): boolean {
  return reader.limit === Number.MAX_SAFE_INTEGER;
}

/** Who looks at a file by its first bytes. */
export function probesFor(path: string, first: Buffer): readonly Probe[] {
  return probes.flatMap((kind) => kind(path, first) ?? []);
}
