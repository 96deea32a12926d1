import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { digestOf, hexOf, type Digest } from '../kernel/digest.ts';
import { WaybillError, messageOf } from '../kernel/error.ts';
import { digestCheck } from './digest-check.ts';
import { descriptorSchema, maxManifestBytes, parseManifest, type Descriptor, type Manifest } from './manifest.ts';
import { ociIndex } from './media-types.ts';

/** An OCI image layout on disk (image-spec image-layout.md). What is read is checked against its digest. */
export type Layout = {
  readonly folder: string;
  /** Hashes while writing to a temporary file that gets its name at the end; `expected` makes a wrong digest or size an error. */
  addBlob(
    content: Uint8Array | Readable,
    mediaType: string,
    options?: { expected?: { digest: Digest; size?: number }; signal?: AbortSignal },
  ): Promise<Descriptor>;
  hasBlob(digest: Digest): Promise<boolean>;
  /** Where a blob is, or would be. Whoever reads it directly checks the digest. */
  blobPath(digest: Digest): string;
  /** The whole blob. @throws WaybillError NOT_FOUND, LIMIT_EXCEEDED, DIGEST_MISMATCH */
  readBlob(digest: Digest, maxBytes?: number): Promise<Buffer>;
  /** Fails at the end when the content is not the digest's. */
  openBlob(digest: Digest): Promise<Readable>;
  manifest(digest: Digest): Promise<Manifest>;
  /** What `index.json` lists. */
  entries(): Promise<readonly Descriptor[]>;
  /** Adds to `index.json`, in place of an entry with the same digest and the same annotations. One process at a time. */
  addEntry(descriptor: Descriptor, annotations?: Readonly<Record<string, string>>): Promise<void>;
  /** Takes entries off `index.json`; their blobs stay. One process at a time. */
  dropEntries(which: (entry: Descriptor) => boolean): Promise<void>;
};

/** Annotation that gives an entry a name (image-spec annotations.md). */
export const refNameAnnotation = 'org.opencontainers.image.ref.name';

const layoutSchema = z.object({ imageLayoutVersion: z.literal('1.0.0') });
const indexSchema = z.object({ schemaVersion: z.literal(2), manifests: z.array(descriptorSchema).max(10_000) });

/** Makes the folder, or opens it when it is a layout already. */
export async function createLayout(folder: string): Promise<Layout> {
  await mkdir(join(folder, 'blobs', 'sha256'), { recursive: true });
  await writeIfMissing(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  await writeIfMissing(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests: [] }));
  return await openLayout(folder);
}

/** @throws WaybillError NOT_FOUND, INVALID_INPUT when the folder is no layout of version 1.0.0 */
export async function openLayout(folder: string): Promise<Layout> {
  await readJson(join(folder, 'oci-layout'), layoutSchema);
  const blobPath = (digest: Digest) => join(folder, 'blobs', 'sha256', hexOf(digest));
  const indexPath = join(folder, 'index.json');
  let writing: Promise<void> = Promise.resolve();

  async function sizeOf(digest: Digest): Promise<number> {
    try {
      const entry = await lstat(blobPath(digest));
      if (entry.isFile()) return entry.size;
    } catch (cause) {
      throw new WaybillError('NOT_FOUND', `The layout ${folder} has no blob ${digest}`, { cause });
    }
    throw new WaybillError('INVALID_INPUT', `The blob ${digest} of the layout ${folder} is not a file`);
  }

  async function readBlob(digest: Digest, maxBytes = maxManifestBytes): Promise<Buffer> {
    const size = await sizeOf(digest);
    if (size > maxBytes)
      throw new WaybillError('LIMIT_EXCEEDED', `The blob ${digest} has ${size} bytes; at most ${maxBytes} are read here`);
    const content = await readFile(blobPath(digest));
    const actual = digestOf(content);
    if (actual !== digest) throw new WaybillError('DIGEST_MISMATCH', `The blob ${digest} of the layout ${folder} is ${actual}`);
    return content;
  }

  /** One change of the index after the other. */
  async function change(entriesOf: (present: readonly Descriptor[]) => readonly Descriptor[]): Promise<void> {
    const mine = writing.then(() => rewriteIndex(entriesOf));
    writing = Promise.allSettled([mine]).then(() => undefined);
    await mine;
  }

  async function rewriteIndex(entriesOf: (present: readonly Descriptor[]) => readonly Descriptor[]): Promise<void> {
    const { manifests } = await readJson(indexPath, indexSchema);
    const index = { schemaVersion: 2, mediaType: ociIndex, manifests: entriesOf(manifests) };
    const temporary = `${indexPath}.${randomUUID()}`;
    await writeFile(temporary, JSON.stringify(index));
    await rename(temporary, indexPath);
  }

  return {
    folder,
    blobPath,
    readBlob,
    async addBlob(content, mediaType, { expected, signal } = {}) {
      const temporary = join(folder, 'blobs', `.${randomUUID()}`);
      const hash = createHash('sha256');
      let size = 0;
      try {
        {
          await using file = await open(temporary, 'wx');
          const source: AsyncIterable<Buffer> | readonly Uint8Array[] = content instanceof Uint8Array ? [content] : content;
          for await (const chunk of source) {
            signal?.throwIfAborted();
            size += chunk.length;
            if (expected?.size !== undefined && size > expected.size)
              throw new WaybillError('DIGEST_MISMATCH', `The content has more than the expected ${expected.size} bytes`);
            hash.update(chunk);
            await writeWhole(file, chunk);
          }
        }
        const digest = `sha256:${hash.digest('hex')}` as Digest;
        if (expected && (digest !== expected.digest || size !== (expected.size ?? size)))
          throw new WaybillError('DIGEST_MISMATCH', `The content is ${digest} (${size} bytes); expected was ${expected.digest}`);
        await rename(temporary, blobPath(digest));
        return { mediaType, digest, size };
      } finally {
        await rm(temporary, { force: true });
      }
    },
    async hasBlob(digest) {
      try {
        return (await stat(blobPath(digest))).isFile();
      } catch (error) {
        if (isMissing(error)) return false;
        throw error;
      }
    },
    async openBlob(digest) {
      const size = await sizeOf(digest);
      const source = createReadStream(blobPath(digest), { highWaterMark: 1024 * 1024 });
      const checked = digestCheck({ digest, size }, `The blob ${digest} of the layout ${folder}`);
      source.once('error', (error) => checked.destroy(error));
      checked.once('close', () => source.destroy());
      return source.pipe(checked);
    },
    async manifest(digest) {
      return parseManifest(await readBlob(digest));
    },
    async entries() {
      return (await readJson(indexPath, indexSchema)).manifests;
    },
    async addEntry(descriptor, annotations) {
      const entry = annotations ? { ...descriptor, annotations: { ...descriptor.annotations, ...annotations } } : descriptor;
      const same = (other: Descriptor) =>
        other.digest === entry.digest && JSON.stringify(other.annotations ?? {}) === JSON.stringify(entry.annotations ?? {});
      await change((present) => [...present.filter((other) => !same(other)), entry]);
    },
    dropEntries: (which) => change((present) => present.filter((entry) => !which(entry))),
  };
}

async function writeWhole(file: Awaited<ReturnType<typeof open>>, chunk: Uint8Array): Promise<void> {
  let done = 0;
  while (done < chunk.length) done += (await file.write(chunk, done, chunk.length - done)).bytesWritten;
}

async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > maxManifestBytes)
      throw new WaybillError('LIMIT_EXCEEDED', `${path} has ${size} bytes; at most ${maxManifestBytes} are read`);
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (isMissing(cause)) throw new WaybillError('NOT_FOUND', `${path} is missing: this is not an OCI image layout`, { cause });
    throw cause;
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new WaybillError('INVALID_INPUT', `${path} is not as the OCI image layout has it: ${messageOf(cause)}`, { cause });
  }
}

async function writeIfMissing(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text, { flag: 'wx' });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
