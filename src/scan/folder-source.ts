import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readSync, type Dirent } from 'node:fs';
import { join } from 'node:path';
import { WaybillError, messageOf } from '../kernel/error.ts';
import type { Skipped } from './coverage.ts';
import { pieceBytes, type FilesOptions, type TreeFile, type TreeSource } from './tree-source.ts';

const mostFiles = 5_000_000;
const deepest = 200;

/**
 * Everything in a folder but `.git`: what Git ignores too, since it may get into an image. Links are not followed, wherever they lead.
 * Files are read synchronously: from the page cache that takes microseconds, a turn through the thread pool takes longer. One piece is what it blocks for.
 */
export function folderSource(folder: string): TreeSource {
  return {
    what: `the folder ${folder}`,
    async *files({ signal, skip, room }) {
      const root = stat(folder);
      if (!root) throw new WaybillError('NOT_FOUND', `${folder}: there is no such file or folder`);
      if (root.isFile()) {
        yield diskFile(folder, folder.split('/').at(-1) ?? folder, root.size, room);
        return;
      }
      let count = 0;
      for (const path of walk(folder, '', 0, skip)) {
        signal.throwIfAborted();
        if (++count > mostFiles) {
          skip({ path, reason: 'limit', detail: `there are more than ${mostFiles} files` });
          return;
        }
        const info = stat(join(folder, path));
        if (info?.isFile()) yield diskFile(join(folder, path), path, info.size, room);
        else skip({ path, reason: 'unreadable', detail: 'it went away, or its name is not UTF-8' });
      }
    },
  };
}

/** Files of a folder that somebody else lists. Those that are no plain files (any more) are told. */
export function listedSource(what: string, folder: string, paths: (signal: AbortSignal) => Promise<readonly string[]>): TreeSource {
  return {
    what,
    async *files({ signal, skip, room }) {
      for (const path of await paths(signal)) {
        signal.throwIfAborted();
        const info = stat(join(folder, path));
        if (info?.isFile()) yield diskFile(join(folder, path), path, info.size, room);
        else if (info) skip({ path, reason: 'excluded', detail: info.isSymbolicLink() ? 'a link, not followed' : 'not a file' });
        // What is listed and not there was deleted; but what cannot be named may well be there.
        else if (path.includes('\uFFFD')) skip({ path, reason: 'unreadable', detail: 'its name is not UTF-8' });
      }
    },
  };
}

function* walk(folder: string, below: string, depth: number, skip: (skipped: Skipped) => void): Generator<string> {
  let entries: Dirent[];
  try {
    entries = readdirSync(join(folder, below), { withFileTypes: true });
  } catch (error) {
    skip({ path: below === '' ? '.' : below, reason: 'unreadable', detail: reasonOf(error) });
    return;
  }
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.name === '.git') continue;
    if (entry.isFile()) yield path;
    else if (!entry.isDirectory())
      skip({ path, reason: 'excluded', detail: entry.isSymbolicLink() ? 'a link, not followed' : 'not a file' });
    else if (depth >= deepest) skip({ path, reason: 'limit', detail: `deeper than ${deepest} folders` });
    else yield* walk(folder, path, depth + 1, skip);
  }
}

function diskFile(absolute: string, path: string, size: number, room: FilesOptions['room']): TreeFile {
  return { path, size, pieces: () => readPieces(absolute, path, room) };
}

function* readPieces(absolute: string, path: string, spare: FilesOptions['room']): Generator<Buffer> {
  let file: number;
  try {
    // Not through a link that took the file's place, and not into a pipe that nobody writes.
    file = openSync(absolute, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    throw new WaybillError('NOT_FOUND', `${path}: ${reasonOf(cause)}`, { cause });
  }
  try {
    const info = fstatSync(file);
    if (!info.isFile()) throw new WaybillError('INVALID_INPUT', `${path}: not a file any more`);
    // A byte more than it has shows the end without a second piece.
    const room = Math.min(info.size + 1, pieceBytes + 1);
    let held = Buffer.allocUnsafe(0);
    const lent = room <= pieceBytes ? spare?.(room) : undefined;
    if (lent) {
      const length = fill(file, lent, 0);
      if (length < lent.length) {
        yield lent.subarray(0, length);
        return;
      }
      // It has grown meanwhile.
      held = Buffer.from(lent);
    }
    for (;;) {
      const piece = Buffer.allocUnsafe(Math.max(room, held.length + 1));
      held.copy(piece);
      const length = fill(file, piece, held.length);
      if (length <= pieceBytes && length < piece.length) {
        yield piece.subarray(0, length);
        return;
      }
      const cut = Math.min(length, pieceBytes);
      yield piece.subarray(0, cut);
      held = piece.subarray(cut, length);
    }
  } catch (cause) {
    if (cause instanceof WaybillError) throw cause;
    throw new WaybillError('INVALID_INPUT', `${path}: ${reasonOf(cause)}`, { cause });
  } finally {
    closeSync(file);
  }
}

/** @returns where the bytes end */
function fill(file: number, piece: Buffer, from: number): number {
  let length = from;
  while (length < piece.length) {
    const read = readSync(file, piece, length, piece.length - length, null);
    if (read === 0) break;
    length += read;
  }
  return length;
}

function stat(path: string) {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

const words: Readonly<Record<string, string>> = {
  ENOENT: 'it is not there any more',
  EACCES: 'it may not be read',
  EPERM: 'it may not be read',
  ELOOP: 'a link took its place',
  ENAMETOOLONG: 'its path is too long',
};

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return words[code] ?? messageOf(error);
}
