import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { WaybillError, messageOf } from '../../kernel/error.ts';

/** Where the bytes of a listed file are, as data that another thread can take: a path with the stamp it was listed with, or a piece of an open file. */
export type FileSource =
  | { readonly path: string; readonly stamp: string; readonly shown: string }
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
 * Opens the very file that was listed, without following a link and without blocking on a FIFO.
 * @throws WaybillError IMAGE_LAYER_INVALID when it was replaced or changed since, or cannot be read
 */
export function openSource(source: FileSource): OpenFile {
  if ('fd' in source) {
    const { fd, at, size } = source;
    return {
      read: (into, offset, length, position) =>
        position >= size ? 0 : readSync(fd, into, offset, Math.min(length, size - position), at + position),
      [Symbol.dispose]() {},
    };
  }
  const { path, stamp, shown } = source;
  const fd = guarded(shown, () => openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK));
  const stat = fstatSync(fd);
  if (!stat.isFile() || stampOf(stat) !== stamp) {
    closeSync(fd);
    throw replaced(shown);
  }
  return {
    read: (into, offset, length, position) => guarded(shown, () => readSync(fd, into, offset, length, position)),
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
