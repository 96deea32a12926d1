import { baseName, unread, type Reader } from '../reader.ts';

const known: readonly (readonly [pattern: RegExp, detail: string])[] = [
  [/^bun\.lockb$/, 'the binary lock file of Bun is not read; bun.lock, its text form, is: bun install --save-text-lockfile'],
  [/^pom\.xml$/, 'a pom.xml is not locked: what it needs is decided when it is built'],
  [/^conan\.lock$/, 'lock files of Conan are not read'],
  [/^Package\.resolved$/, 'lock files of Swift are not read'],
  [/^Podfile\.lock$/, 'lock files of CocoaPods are not read'],
  [/^mix\.lock$/, 'lock files of Hex are not read'],
  [/^stack\.yaml\.lock$|^cabal\.project\.freeze$/, 'lock files of Haskell are not read'],
  [/^environment\.ya?ml$|^conda-lock\.ya?ml$/, 'environments of conda are not read'],
];

/** Files that name libraries in a way that is not read here: each is told, so that nobody takes silence for an answer. */
export const unreadFiles: Reader = {
  what: 'a file that is not read',
  wants: (path) => known.some(([pattern]) => pattern.test(baseName(path))),
  limit: Number.MAX_SAFE_INTEGER,
  read: (_, path) => unread(path, known.find(([pattern]) => pattern.test(baseName(path)))?.[1] ?? 'it is not read'),
};
