import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { WaybillError } from '../kernel/error.ts';

/** The kept snapshot, or nothing when there is none. @throws WaybillError LIMIT_EXCEEDED above `limit` bytes */
export async function readSnapshotCopy(file: string, limit: number): Promise<Uint8Array | undefined> {
  try {
    await using handle = await open(file, 'r');
    const { size } = await handle.stat();
    if (size > limit) throw new WaybillError('LIMIT_EXCEEDED', `${file} has more than ${limit} bytes`);
    return await handle.readFile();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Replaces the kept snapshot in one step: after a crash it is the old or the new one, never a part. */
export async function writeSnapshotCopy(file: string, content: Uint8Array): Promise<void> {
  await writeWhole(file, content, 0o600);
}

/** Writes a file beside its place, flushes it, and moves it there. */
export async function writeWhole(file: string, content: Uint8Array | string, mode: number): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const beside = `${file}.${randomUUID()}.new`;
  try {
    {
      await using handle = await open(beside, 'wx', mode);
      await handle.writeFile(content);
      await handle.sync();
    }
    await rename(beside, file);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}
