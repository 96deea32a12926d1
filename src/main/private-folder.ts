import { chmod, lstat, mkdir } from 'node:fs/promises';
import { WaybillError } from '../kernel/error.ts';

/**
 * Makes a folder that nobody else can look into, or makes an existing one so. A folder of somebody else is refused: the sockets of a deep data
 * directory lie in the temporary directory, where anybody can make the folder first and then answer in the signer's place.
 * @param alike a folder whose owner may own this one too
 * @throws WaybillError FORBIDDEN
 */
export async function privateFolder(folder: string, alike?: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const found = await lstat(folder);
  const owners = new Set([process.geteuid?.(), 0, ...(alike === undefined ? [] : [(await lstat(alike)).uid])]);
  if (!found.isDirectory() || !owners.has(found.uid)) {
    throw new WaybillError('FORBIDDEN', `${folder} belongs to somebody else, or is no folder`, {
      fix: 'Remove it, or use a data directory with a shorter path (its sockets then lie inside it).',
    });
  }
  if ((found.mode & 0o007) !== 0) await chmod(folder, found.mode & 0o770);
}
