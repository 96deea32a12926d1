import { createWriteStream } from 'node:fs';
import { chmod, mkdir, mkdtemp, open, readFile, readdir, rm, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { finished, pipeline } from 'node:stream/promises';
import { extract, pack, type Pack } from 'tar-stream';
import type { Processes } from '../cli/context.ts';
import { loadConfig } from '../config/config.ts';
import { foldersOf, type Folders } from '../config/folders.ts';
import { WaybillError, messageOf } from '../kernel/error.ts';
import { openStore } from '../store/store.ts';
import { holdServer } from './control.ts';

/**
 * Not in a backup: workspaces, sockets, what is cached of other registries or of scans, advisories, which can be brought again, and the database's own files, whose
 * consistent copy goes in instead.
 */
const left = new Set(['work', 'run', 'mirror', 'advisories', 'scans', 'store.sqlite', 'store.sqlite-wal', 'store.sqlite-shm']);
/**
 * What must fit the database: copied while the server holds merges and pushes back. What the signer signed last goes in as it was before the
 * database's copy: a newer one would say that the restored ledger was rolled back.
 */
const moving = /^(repositories\/[^/]+\.git\/(HEAD|packed-refs|refs\/.+)|signer\/signed-(head|snapshot)\.json)$/;

/**
 * Writes the whole data directory into a tar file (mode 0600, keys included). The server goes on: only while database and refs are copied
 * does it hold back pushes and merges. Everything else only grows, so that what the copied database names is there.
 * @throws WaybillError CONFLICT for a file that exists: it stays as it is
 */
export const backup: Processes['backup'] = async ({ data, to, signal }) => {
  const { folders } = await loadConfig(data);
  if (to.startsWith(folders.data + path.sep))
    throw new WaybillError('INVALID_INPUT', `${to} is in the data directory: every backup would hold the ones before it`, {
      fix: 'Write it elsewhere, best onto another disk.',
    });
  const out = await open(to, 'wx', 0o600).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EEXIST') throw new WaybillError('CONFLICT', `${to} exists already`, { cause, fix: 'Give another name with --to.' });
    throw new WaybillError('INVALID_INPUT', `${to} cannot be written: ${cause.message}`, { cause });
  });
  let scratch: string | undefined;
  try {
    scratch = await mkdtemp(path.join(path.dirname(to), '.waybill-backup-'));
    const copy = path.join(scratch, 'store.sqlite');
    const early = await copyTogether(folders, copy, signal);
    const tar = pack();
    // `flush`: a backup that is reported is on the disk.
    const written = pipeline(tar, out.createWriteStream({ flush: true }), { signal });
    const filled = fill(tar, folders.data, copy, early, signal).catch((error: Error) => {
      tar.destroy(error);
      throw error;
    });
    // Whichever fails first ends the other, and is what is told.
    const [files] = await Promise.all([filled, written]);
    return { bytes: (await stat(to)).size, files };
  } catch (error) {
    await out.close();
    await rm(to, { force: true });
    throw error;
  } finally {
    if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
  }
};

/** Copies the database, and returns what must fit it. @throws WaybillError CONFLICT when the server let go meanwhile */
async function copyTogether(folders: Folders, copy: string, signal: AbortSignal): Promise<ReadonlyMap<string, Buffer>> {
  const early = new Map<string, Buffer>();
  using held = await holdServer(folders.sockets.control, signal);
  for (const { name } of (await entriesBelow(folders.data)).filter((entry) => !entry.folder && moving.test(entry.name)))
    early.set(name, await readFile(path.join(folders.data, name)));
  await using store = openStore(folders.storeFile, { readonly: true });
  await store.backup(copy);
  held?.check();
  return early;
}

/** Fills and ends the archive; returns how many files are in it. Folders go in too: git takes a repository without `refs` for none. */
async function fill(tar: Pack, root: string, copy: string, early: ReadonlyMap<string, Buffer>, signal: AbortSignal): Promise<number> {
  await addFile(tar, 'store.sqlite', copy, signal);
  for (const [name, content] of early) tar.entry({ name, size: content.length, mode: 0o600 }, content);
  let files = 1 + early.size;
  for (const { name, folder } of await entriesBelow(root)) {
    signal.throwIfAborted();
    if (folder) tar.entry({ name, type: 'directory', mode: 0o700 });
    else if (!moving.test(name)) {
      await addFile(tar, name, path.join(root, name), signal);
      files += 1;
    }
  }
  tar.finalize();
  return files;
}

/** Makes a data directory from a backup. Never into one that is there; what it began it takes away again when it fails. */
export const restore: Processes['restore'] = async ({ data, from, signal }) => {
  const folders = foldersOf(data);
  await using archive = await open(from, 'r').catch((cause: NodeJS.ErrnoException) => {
    throw new WaybillError(cause.code === 'ENOENT' ? 'NOT_FOUND' : 'INVALID_INPUT', `${from} cannot be read: ${cause.message}`, { cause });
  });
  await mkdir(folders.data, { recursive: true, mode: 0o700 });
  if ((await readdir(folders.data)).length > 0) {
    throw new WaybillError('CONFLICT', `${folders.data} is not empty`, { fix: 'Restore into a new folder, then start the server there.' });
  }
  // Also when it was there before: it is to hold keys now.
  await chmod(folders.data, 0o700);
  try {
    const files = await unpackInto(folders.data, archive, from, signal);
    if (files === 0) throw new WaybillError('INVALID_INPUT', `${from} is empty`);
    return { files };
  } catch (error) {
    for (const name of await readdir(folders.data)) await rm(path.join(folders.data, name), { recursive: true, force: true });
    throw error;
  }
};

async function unpackInto(root: string, archive: FileHandle, from: string, signal: AbortSignal): Promise<number> {
  const unpack = extract();
  let unreadable: unknown;
  const reading = pipeline(archive.createReadStream({ autoClose: false }), unpack, { signal }).catch((error: unknown) => {
    unreadable = error;
  });
  let files = 0;
  try {
    for await (const entry of unpack) {
      const { name, mode = 0o600, type } = entry.header;
      const target = path.resolve(root, name);
      if ((type !== 'file' && type !== 'directory') || !target.startsWith(root + path.sep))
        throw new WaybillError('INVALID_INPUT', `${from} is no backup of Waybill: ${name}`);
      await mkdir(type === 'directory' ? target : path.dirname(target), { recursive: true, mode: 0o700 });
      if (type === 'directory') {
        entry.resume();
        continue;
      }
      await pipeline(entry, createWriteStream(target, { mode: mode & 0o777, flags: 'wx' }), { signal });
      await chmod(target, mode & 0o777);
      files += 1;
    }
  } catch (error) {
    if (error instanceof WaybillError || isSystemError(error)) throw error;
    throw new WaybillError('INVALID_INPUT', `${from} is no backup of Waybill: ${messageOf(error)}`, { cause: error });
  } finally {
    unpack.destroy();
    await reading;
  }
  if (unreadable !== undefined)
    throw new WaybillError('INVALID_INPUT', `${from} cannot be read: ${messageOf(unreadable)}`, { cause: unreadable });
  return files;
}

const isSystemError = (error: unknown): boolean => error instanceof Error && 'syscall' in error;

type Entry = { readonly name: string; readonly folder: boolean };

/** What goes in, sorted. Workspaces are not even looked into, and a folder that is gone meanwhile (git's, of objects) has nothing in it. */
async function entriesBelow(root: string): Promise<Entry[]> {
  const found: Entry[] = [];
  const waiting = [''];
  for (let below = waiting.pop(); below !== undefined; below = waiting.pop()) {
    const entries = await readdir(path.join(root, below), { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' && below !== '') return [];
      throw error;
    });
    for (const entry of entries) {
      const name = path.join(below, entry.name);
      if (left.has(name) || !(entry.isFile() || entry.isDirectory())) continue;
      found.push({ name, folder: entry.isDirectory() });
      if (entry.isDirectory()) waiting.push(name);
    }
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** A file that grows meanwhile (a log) goes in as long as it was; one that is gone meanwhile (a git lock) is left out. */
async function addFile(tar: Pack, name: string, file: string, signal: AbortSignal): Promise<void> {
  const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!handle) return;
  await using _open = { [Symbol.asyncDispose]: () => handle.close() };
  const { size, mode, mtime } = await handle.stat();
  if (size === 0) {
    tar.entry({ name, size, mode: mode & 0o777, mtime }, '');
    return;
  }
  const entry = tar.entry({ name, size, mode: mode & 0o777, mtime });
  const content = handle.createReadStream({ start: 0, end: size - 1, autoClose: false, signal });
  content.pipe(entry);
  await finished(entry);
}
