import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, mkdir, mkdtemp, open, readFile, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { finished, pipeline } from 'node:stream/promises';
import { extract, pack, type Pack } from 'tar-stream';
import type { Processes } from '../cli/context.ts';
import { loadConfig } from '../config/config.ts';
import { foldersOf } from '../config/folders.ts';
import { WaybillError } from '../kernel/error.ts';
import { openStore } from '../store/store.ts';
import { holdServer } from './control.ts';

/** Not in a backup: workspaces, sockets, and the database's own files, whose consistent copy goes in instead. */
const left = new Set(['work', 'run', 'store.sqlite', 'store.sqlite-wal', 'store.sqlite-shm']);
/**
 * What must fit the database: copied while the server holds merges and pushes back. What the signer signed last goes in as it was before the
 * database's copy: a newer one would say that the restored ledger was rolled back.
 */
const moving = /^(repositories\/[^/]+\.git\/(HEAD|packed-refs|refs\/.+)|signer\/signed-(head|snapshot)\.json)$/;

/**
 * Writes the whole data directory into a tar file (mode 0600, keys included). The server goes on: only while database and refs are copied
 * does it hold back pushes and merges. Everything else only grows, so that what the copied database names is there.
 */
export const backup: Processes['backup'] = async ({ data, to, signal }) => {
  const { folders } = await loadConfig(data);
  const scratch = await mkdtemp(path.join(path.dirname(to), '.waybill-backup-'));
  try {
    const early = new Map<string, Buffer>();
    const copy = path.join(scratch, 'store.sqlite');
    {
      using _held = await holdServer(folders.sockets.control);
      for (const file of await filesBelow(folders.data))
        if (moving.test(file)) early.set(file, await readFile(path.join(folders.data, file)));
      await using store = openStore(folders.storeFile, { readonly: true });
      await store.backup(copy);
    }
    const tar = pack();
    const out = createWriteStream(to, { mode: 0o600, flags: 'wx' });
    const written = pipeline(tar, out, { signal });
    let files = 1;
    try {
      await addFile(tar, 'store.sqlite', copy, signal);
      for (const file of await filesBelow(folders.data)) {
        signal.throwIfAborted();
        const content = early.get(file);
        if (content) tar.entry({ name: file, size: content.length, mode: 0o600 }, content);
        else if (moving.test(file)) continue;
        else await addFile(tar, file, path.join(folders.data, file), signal);
        files += 1;
      }
      tar.finalize();
      await written;
    } catch (error) {
      tar.destroy();
      await written.catch(() => undefined);
      await rm(to, { force: true });
      throw error;
    }
    return { bytes: (await stat(to)).size, files };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
};

/** Makes a data directory from a backup. Never into one that is there. */
export const restore: Processes['restore'] = async ({ data, from, signal }) => {
  const folders = foldersOf(data);
  await mkdir(folders.data, { recursive: true, mode: 0o700 });
  if ((await readdir(folders.data)).length > 0) {
    throw new WaybillError('CONFLICT', `${folders.data} is not empty`, { fix: 'Restore into a new folder, then start the server there.' });
  }
  let files = 0;
  const unpack = extract();
  const reading = pipeline(createReadStream(from), unpack, { signal });
  for await (const entry of unpack) {
    const { name, mode = 0o600, type } = entry.header;
    const target = path.resolve(folders.data, name);
    if (type !== 'file' || !target.startsWith(folders.data + path.sep))
      throw new WaybillError('INVALID_INPUT', `${from} is no backup of Waybill: ${name}`);
    await mkdir(path.dirname(target), { recursive: true, mode: 0o700 });
    await pipeline(entry, createWriteStream(target, { mode: mode & 0o777, flags: 'wx' }), { signal });
    await chmod(target, mode & 0o777);
    files += 1;
  }
  await reading;
  if (files === 0) throw new WaybillError('INVALID_INPUT', `${from} is empty`);
  return { files };
};

async function filesBelow(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .filter((file) => !left.has(file.split(path.sep)[0] ?? ''))
    .sort();
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
