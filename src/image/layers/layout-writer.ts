import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { digestOf, hexOf, type Digest } from '../../kernel/digest.ts';
import { digestCheck } from '../../oci/digest-check.ts';
import { ociIndex, ociManifest } from '../../oci/media-types.ts';

/** A blob's name and bytes. */
export type Stored = { readonly digest: Digest; readonly size: number };

/** OCI image-spec, image-layout.md: the part that a build needs. A blob appears under its name when it is whole, or not at all. */
export type LayoutWriter = {
  /** @throws WaybillError DIGEST_MISMATCH when it is not `expected` */
  addBlob(content: Readable, options: { readonly expected?: Stored; readonly signal: AbortSignal }): Promise<Stored>;
  /** Adds the manifest and makes it the only one of the layout's index. */
  addManifest(bytes: Uint8Array, options: { readonly name: string }): Promise<Stored>;
};

export async function createLayout(folder: string): Promise<LayoutWriter> {
  const blobs = join(folder, 'blobs', 'sha256');
  await mkdir(blobs, { recursive: true });
  await replace(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  return {
    async addBlob(content, { expected, signal }) {
      const path = join(blobs, `.${randomUUID()}`);
      const hash = createHash('sha256');
      let size = 0;
      async function* counted(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
        for await (const chunk of chunks) {
          hash.update(chunk);
          size += chunk.length;
          yield chunk;
        }
      }
      try {
        const file = createWriteStream(path, { flags: 'wx' });
        if (expected) await pipeline(content, digestCheck(expected, `blob ${expected.digest}`), counted, file, { signal });
        else await pipeline(content, counted, file, { signal });
        const digest = `sha256:${hash.digest('hex')}` as Digest;
        await rename(path, join(blobs, hexOf(digest)));
        return { digest, size };
      } catch (error) {
        await rm(path, { force: true });
        throw error;
      }
    },
    async addManifest(bytes, { name }) {
      const stored = { digest: digestOf(bytes), size: bytes.byteLength };
      await replace(join(blobs, hexOf(stored.digest)), bytes);
      const manifests = [{ mediaType: ociManifest, ...stored, annotations: { 'org.opencontainers.image.ref.name': name } }];
      await replace(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests }));
      return stored;
    },
  };
}

async function replace(path: string, content: string | Uint8Array): Promise<void> {
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, content, { flag: 'wx' });
  await rename(draft, path);
}
