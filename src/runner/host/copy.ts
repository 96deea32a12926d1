import { constants } from 'node:fs';
import { chmod, copyFile, lchown, lstat, mkdir, opendir, readlink, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { WaybillError } from '../../kernel/error.ts';
import type { ExtractLimits } from './extract.ts';
import type { Owner } from './owner.ts';

/**
 * Copies the contents of the folder `from` into the folder `to`: files, folders and symbolic links (as they are), by reference
 * where the file system can. Sockets, pipes and devices are left out.
 * @throws WaybillError LIMIT_EXCEEDED, INVALID_INPUT when `from` is no folder
 */
export async function copyFolder(from: string, to: string, owner: Owner, limits: ExtractLimits, signal: AbortSignal): Promise<void> {
  if (!(await lstat(from).catch(() => undefined))?.isDirectory())
    throw new WaybillError('INVALID_INPUT', `the source ${from} is no folder`);
  const left = { bytes: limits.maxBytes, entries: limits.maxEntries };
  const folders = [{ from, to }];
  for (let folder = folders.pop(); folder; folder = folders.pop()) {
    for await (const entry of await opendir(folder.from)) {
      signal.throwIfAborted();
      const source = join(folder.from, entry.name);
      const target = join(folder.to, entry.name);
      left.entries -= 1;
      if (left.entries < 0) throw new WaybillError('LIMIT_EXCEEDED', `the source has more than ${limits.maxEntries} entries`);
      if (entry.isDirectory()) {
        await mkdir(target, 0o755);
        folders.push({ from: source, to: target });
      } else if (entry.isSymbolicLink()) {
        await symlink(await readlink(source), target);
      } else if (entry.isFile()) {
        const { size, mode } = await lstat(source);
        left.bytes -= size;
        if (left.bytes < 0) throw new WaybillError('LIMIT_EXCEEDED', `the source has more than ${limits.maxBytes} bytes`);
        await copyFile(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
        await chmod(target, (mode & 0o111) === 0 ? 0o644 : 0o755);
      } else continue;
      if (owner.separate) await lchown(target, owner.uid, owner.gid);
    }
  }
}
