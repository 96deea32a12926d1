import type { Reader } from './reader.ts';
import { cargoLock } from './readers/cargo-lock.ts';
import { goMod } from './readers/go-mod.ts';
import { nodeModules, sitePackages } from './readers/installed.ts';
import { npmLock } from './readers/npm-lock.ts';
import { pnpmLock } from './readers/pnpm-lock.ts';
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
  goMod,
  pipfileLock,
  tomlLock,
  requirements,
  cargoLock,
  ...installedReaders,
  unreadFiles,
];
