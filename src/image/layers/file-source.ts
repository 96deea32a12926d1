import { closeSync, fstatSync, readSync, type Stats } from 'node:fs';
import { WaybillError, messageOf } from '../../kernel/error.ts';
import type { OpenFolders } from './open-folders.ts';

/**
 * Where the bytes of a listed file are, as data that another thread can take: a path below the root of its tree with the stamp it was listed
 * with, or a piece of an open file.
 */
export type FileSource =
  | { readonly root: string; readonly path: string; readonly stamp: string }
  | { readonly fd: number; readonly at: number; readonly size: number };

export type OpenFile = Disposable & {
  /** Reads at most `length` bytes from the file's `position` into `into` at `offset`; 0 at the end. */
  read(into: Buffer, offset: number, length: number, position: number): number;
};

/** Changes whenever somebody writes to a file: that sets its ctime, which no call can set back. What git's index rests on, too. */
export function stampOf({ dev, ino, size, mtimeMs, ctimeMs }: Stats): string {
  return `${dev}:${ino}:${size}:${mtimeMs}:${ctimeMs}`;
}

/**
 * Opens the very file that was listed, without blocking on a FIFO.
 * @param folders how to reach it without following a link; the same for all files of a tree, so that its folders are not opened for each
 * @throws WaybillError IMAGE_LAYER_INVALID when it was replaced or changed since, or cannot be read
 */
export function openSource(source: FileSource, folders: OpenFolders): OpenFile {
  if ('fd' in source) {
    const { fd, at, size } = source;
    return {
      read: (into, offset, length, position) =>
        position >= size ? 0 : readSync(fd, into, offset, Math.min(length, size - position), at + position),
      [Symbol.dispose]() {},
    };
  }
  const { root, path, stamp } = source;
  const fd = guarded(path, () => folders.openFile(root, path));
  const stat = fstatSync(fd);
  if (!stat.isFile() || stampOf(stat) !== stamp) {
    closeSync(fd);
    throw replaced(path);
  }
  return {
    read: (into, offset, length, position) => guarded(path, () => readSync(fd, into, offset, length, position)),
    [Symbol.dispose]: () => closeSync(fd),
  };
}

/** @param shown path in the tree, for the message */
export function guarded<T>(shown: string | (() => string), action: () => T): T {
  try {
    return action();
  } catch (error) {
    const path = typeof shown === 'string' ? shown : shown();
    throw new WaybillError('IMAGE_LAYER_INVALID', `${JSON.stringify(path)} cannot be read: ${messageOf(error).split(',')[0]}`, {
      cause: error,
    });
  }
}

export function replaced(shown: string): WaybillError {
  return new WaybillError('IMAGE_LAYER_INVALID', `${JSON.stringify(shown)} was replaced while it was read`);
}
