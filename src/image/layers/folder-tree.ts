import { closeSync, constants, lstatSync, openSync, readdirSync, readlinkSync, realpathSync } from 'node:fs';
import type { Dirent } from 'node:fs';
import { isUtf8 } from 'node:buffer';
import { guarded, replaced, stampOf } from './file-source.ts';
import type { Tree, TreeChild, TreeFolder } from './tree.ts';

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_DIRECTORY } = constants;

/**
 * A folder on disk whose contents nobody trusts. Each folder is opened without following links and its children are listed through that
 * descriptor (Linux: `/proc/PID/fd/N/name`, which is openat(2)), so that no swap of a component can lead outside. A file is opened later
 * by its path, and refused unless it is the very inode that was listed. FIFOs do not block.
 */
export function folderTree(folder: string): Tree {
  const path = realpathSync(folder);
  return { root: () => openFolder(path, path, '.'), async [Symbol.asyncDispose]() {} };
}

/** `via` is how to reach it race-free, `real` where it must be, `shown` its path in the tree for messages. */
function openFolder(via: string, real: string, shown: string): TreeFolder {
  const fd = guarded(shown, () => openSync(via, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK));
  try {
    if (process.platform !== 'linux' && realpathSync(real) !== real) throw replaced(shown);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  const base = process.platform === 'linux' ? `/proc/${process.pid}/fd/${fd}` : real;
  return {
    children: () => guarded(shown, () => list(base)).map((entry) => child(entry, base, real, shown)),
    [Symbol.dispose]: () => closeSync(fd),
  };
}

/** What stands where bytes could not be decoded. */
const undecoded = '\uFFFD';

function list(base: string): Dirent[] {
  const entries = readdirSync(base, { withFileTypes: true });
  if (!entries.some(({ name }) => name.includes(undecoded))) return entries;
  // The true name is lost then, unless somebody uses this very character.
  const names = readdirSync(base, { encoding: 'buffer' });
  const whole = new Set(names.filter((name) => isUtf8(name)).map((name) => name.toString('utf8')));
  return entries.map((entry) => (whole.has(entry.name) ? entry : Object.assign(entry, { name: undecoded })));
}

function child(entry: Dirent, base: string, real: string, parent: string): TreeChild {
  const { name } = entry;
  if (name === undecoded) return { type: 'other', name, what: 'name that is not UTF-8' };
  const via = `${base}/${name}`;
  const shown = () => (parent === '.' ? name : `${parent}/${name}`);
  if (entry.isFile()) {
    const stat = guarded(shown, () => lstatSync(via));
    if (!stat.isFile()) throw replaced(shown());
    const stamp = stampOf(stat);
    return {
      type: 'file',
      name,
      size: stat.size,
      mode: stat.mode & 0o7777,
      ...(stat.nlink > 1 ? { identity: `${stat.dev}:${stat.ino}` } : {}),
      stamp: { text: stamp, changedAt: stat.ctimeMs },
      source: { path: `${real}/${name}`, stamp, shown: shown() },
    };
  }
  if (entry.isDirectory()) {
    const { mode } = guarded(shown, () => lstatSync(via));
    return { type: 'folder', name, mode: mode & 0o7777, open: () => openFolder(via, `${real}/${name}`, shown()) };
  }
  if (entry.isSymbolicLink())
    return { type: 'symlink', name, target: () => guarded(shown, () => readlinkSync(via, { encoding: 'buffer' })) };
  return { type: 'other', name, what: kindOf(entry) };
}

function kindOf(entry: Dirent): string {
  if (entry.isFIFO()) return 'FIFO';
  if (entry.isSocket()) return 'socket';
  return entry.isBlockDevice() || entry.isCharacterDevice() ? 'device' : 'file of an unknown kind';
}
