import type { Reader } from './reader.ts';
import { bunLock } from './readers/bun-lock.ts';
import { cargoLock } from './readers/cargo-lock.ts';
import { composerLock } from './readers/composer-lock.ts';
import { gemfileLock } from './readers/gemfile-lock.ts';
import { goMod, goSum } from './readers/go-mod.ts';
import { gradleLock } from './readers/gradle-lock.ts';
import { nodeModules, sitePackages } from './readers/installed.ts';
import { manifestReaders } from './readers/manifests.ts';
import { npmLock } from './readers/npm-lock.ts';
import { nugetLock } from './readers/nuget-lock.ts';
import { pnpmLock } from './readers/pnpm-lock.ts';
import { pylock } from './readers/pylock.ts';
import { pipfileLock, requirements, tomlLock } from './readers/python-locks.ts';
import { unreadFiles } from './readers/unread.ts';
import { yarnLock } from './readers/yarn-lock.ts';

/** They read what packages consist of when they are installed. */
export const installedReaders: readonly Reader[] = [nodeModules, sitePackages];

/** The first that wants a file reads it. */
export const readers: readonly Reader[] = [
  npmLock,
  yarnLock,
  pnpmLock,
  bunLock,
  goMod,
  pipfileLock,
  tomlLock,
  pylock,
  requirements,
  cargoLock,
  gradleLock,
  gemfileLock,
  composerLock,
  nugetLock,
  ...installedReaders,
  unreadFiles,
];

/** Of a tree of sources also what only says that something is not locked; in an image that is no news, for what counts there is what is installed. */
export const sourceReaders: readonly Reader[] = [...readers, goSum, ...manifestReaders];
