import { closeSync, constants, futimesSync, lutimesSync, mkdirSync, openSync, symlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { WaybillError } from '../../kernel/error.ts';
import { openSource } from '../layers/file-source.ts';
import { OpenFolders } from '../layers/open-folders.ts';
import type { Tree, TreeChild, TreeFolder } from '../layers/tree.ts';

const create = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const deepest = 200;

/**
 * Writes a folder of a tree to disk, as the context of a build. Every folder is made here and new, so nothing is written through a link;
 * links are kept as they are, wherever they point to. Every file has the one time.
 * @param from path of the folder in the tree; `.` for all of it
 * @param to a folder that does not exist yet
 * @throws WaybillError NOT_FOUND when there is no such folder, INVALID_INPUT, LIMIT_EXCEEDED
 */
export async function writeTree(tree: Tree, from: string, to: string, time: Date, signal: AbortSignal): Promise<void> {
  using stack = new DisposableStack();
  const folder = open(stack.use(tree.root()), from, stack);
  mkdirSync(to, { mode: 0o755 });
  await write(folder, to, time, signal, 0);
}

/** The content of a file of a tree. @throws WaybillError NOT_FOUND, LIMIT_EXCEEDED */
export function readTreeFile(tree: Tree, path: string, maxBytes: number): Buffer | undefined {
  using stack = new DisposableStack();
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  const name = parts.pop() ?? '';
  let folder = stack.use(tree.root());
  for (const part of parts) {
    const child = folder.children().find((each) => each.name === part);
    if (child?.type !== 'folder') return undefined;
    folder = stack.use(child.open());
  }
  const child = folder.children().find((each) => each.name === name);
  if (child?.type !== 'file') return undefined;
  const { size } = child;
  if (size > maxBytes) throw new WaybillError('LIMIT_EXCEEDED', `${path} has ${size} bytes; at most ${maxBytes} are read`);
  const file = stack.use(openSource(child.source, stack.use(new OpenFolders())));
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size;) {
    const read = file.read(bytes, at, size - at, at);
    if (read === 0) throw new WaybillError('INVALID_INPUT', `${path} became shorter while it was read`);
    at += read;
  }
  return bytes;
}

function open(root: TreeFolder, path: string, stack: DisposableStack): TreeFolder {
  let folder = root;
  for (const part of path.split('/').filter((each) => each !== '' && each !== '.')) {
    const child: TreeChild | undefined = folder.children().find((each) => each.name === part);
    if (child?.type !== 'folder') throw new WaybillError('NOT_FOUND', `there is no folder ${path} in the tree, which is to be the context`);
    folder = stack.use(child.open());
  }
  return folder;
}

async function write(folder: TreeFolder, to: string, time: Date, signal: AbortSignal, depth: number): Promise<void> {
  signal.throwIfAborted();
  if (depth > deepest) throw new WaybillError('LIMIT_EXCEEDED', `the context has more than ${deepest} folders within each other`);
  for (const child of folder.children()) {
    const { name } = child;
    if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name))
      throw new WaybillError('INVALID_INPUT', `the tree holds the name ${JSON.stringify(name.slice(0, 200))}`);
    const path = join(to, name);
    if (child.type === 'other') throw new WaybillError('INVALID_INPUT', `the tree holds ${JSON.stringify(name)}, which is a ${child.what}`);
    if (child.type === 'symlink') symlinkSync(child.target(), path);
    else if (child.type === 'file') await writeFile(child, path, time, signal);
    else {
      mkdirSync(path, { mode: 0o755 });
      using inner = child.open();
      await write(inner, path, time, signal, depth + 1);
    }
    if (child.type !== 'file') lutimesSync(path, time, time);
  }
}

async function writeFile(child: Extract<TreeChild, { type: 'file' }>, path: string, time: Date, signal: AbortSignal): Promise<void> {
  using folders = new OpenFolders();
  using file = openSource(child.source, folders);
  const { size } = child;
  const fd = openSync(path, create, (child.mode & 0o100) === 0 ? 0o644 : 0o755);
  try {
    const block = Buffer.allocUnsafe(Math.min(1024 * 1024, Math.max(1, size)));
    for (let at = 0; at < size;) {
      signal.throwIfAborted();
      const read = file.read(block, 0, block.length, at);
      if (read === 0) throw new WaybillError('INVALID_INPUT', `${path} became shorter while it was read`);
      for (let done = 0; done < read;) done += writeSync(fd, block, done, read - done);
      at += read;
    }
    futimesSync(fd, time, time);
  } finally {
    closeSync(fd);
  }
  await setImmediate();
}
