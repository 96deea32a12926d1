import { closeSync, constants, lstatSync, openSync, readdirSync, readlinkSync, realpathSync } from 'node:fs';
import type { Dirent } from 'node:fs';
import { isUtf8 } from 'node:buffer';
import { guarded, replaced, stampOf } from './file-source.ts';
import type { Tree, TreeChild, TreeFolder } from './tree.ts';

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_DIRECTORY } = constants;

/**
 * A folder on disk whose contents nobody trusts. Each folder is opened without following links and its names are listed through that
 * descriptor (Linux: `/proc/PID/fd/N/name`, which is openat(2)), so that no swap of a component can lead outside. Files are looked at by
 * their path, which takes half as long: what that says is believed only once the file was opened in the same way, and refused unless it is the
 * very inode, in the very state, that was listed. FIFOs do not block.
 */
export function folderTree(folder: string): Tree {
  const path = realpathSync(folder);
  return { root: () => openFolder(path, path, ''), async [Symbol.asyncDispose]() {} };
}

/** `via` is how to reach it race-free, `path` where it is below `root`. */
function openFolder(via: string, root: string, path: string): TreeFolder {
  const shown = path === '' ? '.' : path;
  const real = path === '' ? root : `${root}/${path}`;
  const fd = guarded(shown, () => openSync(via, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK));
  try {
    if (process.platform !== 'linux' && realpathSync(real) !== real) throw replaced(shown);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  const base = process.platform === 'linux' ? `/proc/${process.pid}/fd/${fd}` : real;
  return {
    children: () => guarded(shown, () => list(base)).map((entry) => child(entry, base, root, path)),
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

function child(entry: Dirent, base: string, root: string, parent: string): TreeChild {
  const { name } = entry;
  if (name === undecoded) return { type: 'other', name, what: 'name that is not UTF-8' };
  const path = parent === '' ? name : `${parent}/${name}`;
  if (entry.isFile()) {
    const stat = guarded(path, () => lstatSync(`${root}/${path}`));
    if (!stat.isFile()) throw replaced(path);
    const stamp = stampOf(stat);
    return {
      type: 'file',
      name,
      size: stat.size,
      mode: stat.mode & 0o7777,
      ...(stat.nlink > 1 ? { identity: `${stat.dev}:${stat.ino}` } : {}),
      stamp: { text: stamp, changedAt: stat.ctimeMs },
      source: { root, path, stamp },
    };
  }
  const via = `${base}/${name}`;
  if (entry.isDirectory()) {
    const { mode } = guarded(path, () => lstatSync(via));
    return { type: 'folder', name, mode: mode & 0o7777, open: () => openFolder(via, root, path) };
  }
  if (entry.isSymbolicLink())
    return { type: 'symlink', name, target: () => guarded(path, () => readlinkSync(via, { encoding: 'buffer' })) };
  return { type: 'other', name, what: kindOf(entry) };
}

function kindOf(entry: Dirent): string {
  if (entry.isFIFO()) return 'FIFO';
  if (entry.isSocket()) return 'socket';
  return entry.isBlockDevice() || entry.isCharacterDevice() ? 'device' : 'file of an unknown kind';
}
