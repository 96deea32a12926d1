import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, link, lstat, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { digestOf, hexOf, isDigest, type Digest } from '../../kernel/digest.ts';
import type { Layout } from '../../oci/layout.ts';
import type { MetadataKey } from './metadata-key.ts';

/** A layer as it is kept. */
export type CachedLayer = { readonly diffId: Digest; readonly digest: Digest; readonly size: number };

/** All layers of one place of an image, under the key of what they were made from. */
export type KeptParts = { readonly key: string; readonly parts: readonly (CachedLayer & { readonly name?: string | undefined })[] };

/**
 * Compressed layers of earlier builds, by what they were made from: an unchanged tree is neither packed nor compressed. What comes out is
 * checked against its digest. Only builds of merged commits write here: nothing that an unreviewed change made can be in it.
 * Several builds may use one folder at once; whatever a crash leaves is swept away.
 */
export type LayerCache = {
  /** Puts the layer that was made from these very files into `layout`. */
  byMetadata(key: MetadataKey | undefined, layout: Layout): Promise<CachedLayer | undefined>;
  /** Puts the layer with this diffID and compressor into `layout`. */
  byDiffId(diffId: Digest, compressor: string, layout: Layout): Promise<CachedLayer | undefined>;
  /** What the last build kept for all of that place, if its blobs are whole: they are read while the caller lists the files. */
  lastParts(place: string): Promise<KeptParts | undefined>;
  /** Puts layers that `lastParts` gave into `layout`. */
  put(parts: KeptParts, layout: Layout): Promise<void>;
  /** Remembers which layers a place was split into, and the key of all its files together. */
  keepParts(place: string, parts: KeptParts, made: { readonly changedAt: number; readonly readFrom: number }): Promise<void>;
  /** Whether a layer of that place was kept before, so that hashing before compressing may pay. */
  knows(place: string): Promise<boolean>;
  /** @param readFrom when reading began, in milliseconds since the epoch */
  keep(
    layer: CachedLayer,
    layout: Layout,
    made: { readonly key: MetadataKey | undefined; readonly compressor: string; readonly place: string; readonly readFrom: number },
  ): Promise<void>;
};

/** File systems stamp in ticks of the kernel (at most 10 ms on Linux); a file that was touched so shortly before it was read is not trusted. */
const tickMs = 100;
const defaultBytes = 8 * 2 ** 30;
/** What a build that was killed has left under a temporary name. */
const staleMs = 24 * 60 * 60_000;

const digestSchema = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value));
const recordSchema = z.object({ diffId: digestSchema, digest: digestSchema, size: z.int().min(0) });
const partsSchema = z.object({
  key: z.string(),
  parts: z
    .array(recordSchema.extend({ name: z.string().optional() }))
    .min(1)
    .max(127),
});
/** Beyond so many bytes for each, one more blob is read at once when all of a place are checked. */
const worthAnother = 256 * 2 ** 20;

export type LayerCacheOptions = {
  /** Of all blobs; the least used go above it. */
  readonly maxBytes?: number;
  /** Of the file at a path; where it is left out, files are read and hashed on the calling thread. */
  readonly digest?: (path: string, size: number) => Promise<Digest>;
  /** Blobs that may be read at once. */
  readonly atOnce?: number;
};

export async function openLayerCache(folder: string, options: LayerCacheOptions = {}): Promise<LayerCache> {
  const { maxBytes = defaultBytes, digest = digestOfFile, atOnce = 1 } = options;
  const blobs = join(folder, 'blobs');
  const records = join(folder, 'records');
  await mkdir(blobs, { recursive: true });
  await mkdir(records, { recursive: true });
  const recordOf = (kind: 'metadata' | 'diff' | 'place' | 'parts', key: string) => join(records, `${kind}-${hexOf(digestOf(key))}.json`);
  const blobOf = (digest: Digest) => join(blobs, hexOf(digest));

  async function isWhole(layer: CachedLayer): Promise<boolean> {
    const info = await unlessMissing(lstat(blobOf(layer.digest)));
    if (!info?.isFile() || info.size !== layer.size) return false;
    return (await digest(blobOf(layer.digest), info.size)) === layer.digest;
  }

  async function take(record: string, layout: Layout): Promise<CachedLayer | undefined> {
    const found = await readRecord(record, recordSchema);
    if (!found) return undefined;
    const path = blobOf(found.digest);
    if (!(await isWhole(found))) {
      await Promise.all([rm(path, { force: true }), rm(record, { force: true })]);
      return undefined;
    }
    await use(found, layout);
    return found;
  }

  async function use({ digest }: CachedLayer, layout: Layout): Promise<void> {
    const now = new Date();
    await utimes(blobOf(digest), now, now);
    await linkOrCopy(blobOf(digest), layout.blobPath(digest));
  }

  async function evict(): Promise<void> {
    const files = await Promise.all(
      (await readdir(blobs)).map(async (name) => ({ path: join(blobs, name), name, info: await unlessMissing(stat(join(blobs, name))) })),
    );
    let total = 0;
    for (const { path, name, info } of files.sort((a, b) => (b.info?.mtimeMs ?? 0) - (a.info?.mtimeMs ?? 0))) {
      if (!info) continue;
      const unfinished = name.startsWith('.');
      if (unfinished && Date.now() - info.mtimeMs < staleMs) continue;
      total += info.size;
      if (unfinished || total > maxBytes) await rm(path, { force: true });
    }
  }

  return {
    byMetadata: async (key, layout) => key && (await take(recordOf('metadata', key.key), layout)),
    byDiffId: (diffId, compressor, layout) => take(recordOf('diff', `${compressor}\n${diffId}`), layout),
    async lastParts(place) {
      const found = await readRecord(recordOf('parts', place), partsSchema);
      if (!found) return undefined;
      const queue = [...found.parts];
      let whole = true;
      const worker = async () => {
        for (let part = queue.pop(); part && whole; part = queue.pop()) whole = (await isWhole(part)) && whole;
      };
      const bytes = queue.reduce((sum, { size }) => sum + size, 0);
      await Promise.all(Array.from({ length: Math.min(atOnce, Math.ceil(bytes / worthAnother)) }, worker));
      return whole ? found : undefined;
    },
    async put({ parts }, layout) {
      for (const part of parts) await use(part, layout);
    },
    async keepParts(place, parts, { changedAt, readFrom }) {
      if (changedAt + tickMs < readFrom) await writeWhole(recordOf('parts', place), JSON.stringify(parts));
    },
    knows: async (place) => (await unlessMissing(stat(recordOf('place', place)))) !== undefined,
    async keep(layer, layout, { key, compressor, place, readFrom }) {
      const path = blobOf(layer.digest);
      await linkOrCopy(layout.blobPath(layer.digest), path);
      const text = JSON.stringify(layer);
      if (key && key.changedAt + tickMs < readFrom) await writeWhole(recordOf('metadata', key.key), text);
      await writeWhole(recordOf('diff', `${compressor}\n${layer.diffId}`), text);
      await writeWhole(recordOf('place', place), text);
      await evict();
    },
  };
}

async function readRecord<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const text = await unlessMissing(readFile(path, 'utf8'));
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    // Not what was written: as good as not there.
    return undefined;
  }
}

async function digestOfFile(path: string): Promise<Digest> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk as Buffer);
  return `sha256:${hash.digest('hex')}` as Digest;
}

/** A second name costs nothing; another file system wants a copy. Both appear under their name only when they are whole. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  const temporary = join(to, '..', `.${randomUUID()}`);
  try {
    await link(from, temporary).catch(() => copyFile(from, temporary));
    await rename(temporary, to);
  } finally {
    // A rename onto another name of the same file leaves both.
    await rm(temporary, { force: true });
  }
}

async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = join(path, '..', `.${randomUUID()}`);
  await writeFile(temporary, text);
  await rename(temporary, path);
}

async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
