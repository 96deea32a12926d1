import { closeSync, constants, fstatSync, openSync, readdirSync, readlinkSync, readSync, realpathSync } from 'node:fs';
import type { Dirent } from 'node:fs';
import { isUtf8 } from 'node:buffer';
import { WaybillError, messageOf } from '../../kernel/error.ts';
import type { Tree, TreeChild, TreeFile, TreeFolder } from './tree.ts';

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_DIRECTORY } = constants;

/**
 * A folder on disk whose contents nobody trusts. Each folder is opened without following links and its children through that
 * descriptor (Linux: `/proc/self/fd/N/name`, which is openat(2)), so that no swap of a component can lead outside. FIFOs do not block.
 */
export function folderTree(folder: string): Tree {
  const path = realpathSync(folder);
  return { root: () => openFolder(path, path, '.'), async [Symbol.asyncDispose]() {} };
}

/** `via` is how to reach it race-free, `real` where it must be, `shown` its path in the tree for messages. */
function openFolder(via: string, real: string, shown: string): TreeFolder {
  const fd = guarded(shown, () => openSync(via, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK));
  try {
    if (process.platform !== 'linux' && realpathSync(real) !== real) throw refused(shown, 'was replaced while it was read');
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  const base = process.platform === 'linux' ? `/proc/self/fd/${fd}` : real;
  return {
    children: () =>
      guarded(shown, () => readdirSync(base, { withFileTypes: true, encoding: 'buffer' })).map((entry) => child(entry, base, real, shown)),
    [Symbol.dispose]: () => closeSync(fd),
  };
}

function child(entry: Dirent<Buffer>, base: string, real: string, parent: string): TreeChild {
  const { name } = entry;
  const text = name.toString('utf8');
  const shown = parent === '.' ? text : `${parent}/${text}`;
  // Such a name could not be opened again by its text; the walk refuses it, here it must only not become another one.
  if (!isUtf8(name)) return { type: 'other', name, what: 'name that is not UTF-8' };
  const via = `${base}/${text}`;
  if (entry.isDirectory()) return { type: 'folder', name, open: () => openFolder(via, `${real}/${text}`, shown) };
  if (entry.isFile()) return { type: 'file', name, open: () => openFile(via, shown) };
  if (entry.isSymbolicLink())
    return { type: 'symlink', name, target: () => guarded(shown, () => readlinkSync(via, { encoding: 'buffer' })) };
  return { type: 'other', name, what: kindOf(entry) };
}

function kindOf(entry: Dirent<Buffer>): string {
  if (entry.isFIFO()) return 'FIFO';
  if (entry.isSocket()) return 'socket';
  return entry.isBlockDevice() || entry.isCharacterDevice() ? 'device' : 'file of an unknown kind';
}

function openFile(via: string, shown: string): TreeFile {
  const fd = guarded(shown, () => openSync(via, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  const stat = fstatSync(fd);
  if (!stat.isFile()) {
    closeSync(fd);
    throw refused(shown, 'was replaced while it was read');
  }
  return {
    size: stat.size,
    executable: (stat.mode & 0o100) !== 0,
    read: (into, offset, length, position) => guarded(shown, () => readSync(fd, into, offset, length, position)),
    [Symbol.dispose]: () => closeSync(fd),
  };
}

function guarded<T>(shown: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new WaybillError('IMAGE_LAYER_INVALID', `${JSON.stringify(shown)} cannot be read: ${messageOf(error).split(',')[0]}`, {
      cause: error,
    });
  }
}

function refused(shown: string, why: string): WaybillError {
  return new WaybillError('IMAGE_LAYER_INVALID', `${JSON.stringify(shown)} ${why}`);
}
