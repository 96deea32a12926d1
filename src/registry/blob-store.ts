import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hexOf, type Digest } from '../kernel/digest.ts';

/**
 * Bytes on disk: `blobs/sha256/ab/<hex>` and `uploads/<uuid>`. A file has its digest's name only after its bytes were hashed and
 * synced, by a rename; so whatever a crash leaves behind is in `uploads/`, which is emptied when the store is opened.
 */
export type BlobStore = {
  /** Opens for reading; undefined when there is no such file. */
  read(digest: Digest): Promise<FileHandle | undefined>;
  /** Bytes, or undefined when there is no such file. */
  size(digest: Digest): Promise<number | undefined>;
  create(): Promise<{ readonly id: string; readonly path: string; readonly handle: FileHandle }>;
  /** Gives a synced and closed upload its final name. Replaces a file of that name: both were hashed, readers keep the old one. */
  adopt(path: string, digest: Digest): Promise<void>;
};

export async function openBlobStore(folder: string): Promise<BlobStore> {
  const uploads = join(folder, 'uploads');
  await mkdir(uploads, { recursive: true, mode: 0o700 });
  await Promise.all((await readdir(uploads)).map((name) => rm(join(uploads, name), { recursive: true, force: true })));
  const pathOf = (digest: Digest) => join(folder, 'blobs', 'sha256', hexOf(digest).slice(0, 2), hexOf(digest));
  const made = new Set<string>();
  return {
    async read(digest) {
      return await unlessMissing(open(pathOf(digest), 'r'));
    },
    async size(digest) {
      return (await unlessMissing(stat(pathOf(digest))))?.size;
    },
    async create() {
      const id = randomUUID();
      const path = join(uploads, id);
      return { id, path, handle: await open(path, 'wx', 0o600) };
    },
    async adopt(path, digest) {
      const target = pathOf(digest);
      const parent = dirname(target);
      if (!made.has(parent)) {
        await mkdir(parent, { recursive: true, mode: 0o700 });
        await syncFolder(dirname(parent));
        made.add(parent);
      }
      await rename(path, target);
      await syncFolder(parent);
    },
  };
}

/** A rename is durable only when its folder is. */
async function syncFolder(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  await handle.sync();
}

async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
