import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { algorithmOf, encodedOf, type ContentDigest } from '../oci/content-digest.ts';
import { findUnfinished, type UnfinishedUpload } from './upload-session.ts';

/**
 * Bytes on disk: `blobs/<algorithm>/ab/<hex>` and `uploads/<uuid>`. A file has its digest's name only after its bytes were hashed and
 * synced, by a rename; so whatever a crash leaves behind is in `uploads/`: what can go on stays there, the rest is removed when the store
 * is opened. Durable are, in this order: the file, its name (its folder), and then the caller's row.
 */
export type BlobStore = {
  /** Opens for reading; undefined when there is no such file. */
  read(digest: ContentDigest): Promise<FileHandle | undefined>;
  /** Bytes, or undefined when there is no such file. */
  size(digest: ContentDigest): Promise<number | undefined>;
  /** Where a new upload may write. There is no file yet: most uploads of small blobs need it for a moment only. */
  place(): { readonly id: string; readonly path: string };
  /** The same, with a new file there. */
  create(): Promise<{ readonly id: string; readonly path: string; readonly handle: FileHandle }>;
  /** The uploads that could go on when the store was opened. */
  readonly unfinished: readonly UnfinishedUpload[];
  /** Gives a synced and closed upload its final name. Replaces a file of that name: both were hashed, readers keep the old one. */
  adopt(path: string, digest: ContentDigest): Promise<void>;
  /** Every file that has a name, in no order. `modifiedAt` in milliseconds since the epoch: when its upload ended. */
  files(): AsyncIterable<{ readonly digest: string; readonly size: number; readonly modifiedAt: number }>;
  remove(digest: ContentDigest): Promise<void>;
  /** Takes a damaged file out of sight, into `damaged/`; it is never served again. Returns where it is. */
  quarantine(digest: ContentDigest): Promise<string>;
};

export async function openBlobStore(folder: string): Promise<BlobStore> {
  const uploads = join(folder, 'uploads');
  await mkdir(uploads, { recursive: true, mode: 0o700 });
  await mkdir(join(folder, 'blobs'), { recursive: true, mode: 0o700 });
  // The names of these two must last as long as what is put into them.
  await syncFolder(folder);
  await syncFolder(dirname(folder));
  const unfinished = await findUnfinished(uploads);
  const pathOf = (digest: ContentDigest) => join(folder, 'blobs', algorithmOf(digest), encodedOf(digest).slice(0, 2), encodedOf(digest));
  const place = () => {
    const id = randomUUID();
    return { id, path: join(uploads, id) };
  };
  // The folders of all sha256 digests, once, rather than three syncs for the first blob of each.
  const sha256 = join(folder, 'blobs', 'sha256');
  const made = new Set(Array.from({ length: 256 }, (_, part) => join(sha256, part.toString(16).padStart(2, '0'))));
  await Promise.all(Array.from(made, (path) => mkdir(path, { recursive: true, mode: 0o700 })));
  await syncFolder(sha256);
  await syncFolder(dirname(sha256));
  return {
    unfinished,
    async read(digest) {
      return await unlessMissing(open(pathOf(digest), 'r'));
    },
    async size(digest) {
      return (await unlessMissing(stat(pathOf(digest))))?.size;
    },
    place,
    async create() {
      const at = place();
      return { ...at, handle: await open(at.path, 'wx+', 0o600) };
    },
    async adopt(path, digest) {
      const target = pathOf(digest);
      const parent = dirname(target);
      if (!made.has(parent)) {
        await mkdir(parent, { recursive: true, mode: 0o700 });
        await syncFolder(dirname(parent));
        await syncFolder(dirname(dirname(parent)));
        made.add(parent);
      }
      await rename(path, target);
      await syncFolder(parent);
    },
    async *files() {
      for (const algorithm of ['sha256', 'sha512'])
        for (const part of (await unlessMissing(readdir(join(folder, 'blobs', algorithm)))) ?? [])
          for (const name of (await unlessMissing(readdir(join(folder, 'blobs', algorithm, part)))) ?? []) {
            const info = await unlessMissing(stat(join(folder, 'blobs', algorithm, part, name)));
            if (info?.isFile()) yield { digest: `${algorithm}:${name}`, size: info.size, modifiedAt: info.mtimeMs };
          }
    },
    async remove(digest) {
      await rm(pathOf(digest), { force: true });
    },
    async quarantine(digest) {
      const target = join(folder, 'damaged', digest.replace(':', '-'));
      await mkdir(dirname(target), { recursive: true, mode: 0o700 });
      await rename(pathOf(digest), target);
      return target;
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
