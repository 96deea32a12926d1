import { createHash } from 'node:crypto';
import type { KeyedLock } from '../../kernel/keyed-lock.ts';
import { algorithmOf, finishDigest, isContentDigest, type ContentDigest } from '../../oci/content-digest.ts';
import type { BlobStore } from '../blob-store.ts';
import type { Shelf } from './shelf.ts';

export type MirrorCheck = { readonly blobs: number; readonly dropped: readonly { readonly server: string; readonly digest: string }[] };

/** Looks at every cached blob, and with `deep` reads it. What is damaged is dropped at once: its registry has it, and it is fetched again. */
export async function checkMirrors(
  parts: { readonly shelf: Shelf; readonly blobs: BlobStore; readonly locks: KeyedLock<string> },
  { deep, signal }: { readonly deep: boolean; readonly signal: AbortSignal },
): Promise<MirrorCheck> {
  const { shelf, blobs, locks } = parts;
  const dropped: { server: string; digest: string }[] = [];
  let count = 0;
  for (const { server, digest, size } of await shelf.allBlobs()) {
    signal.throwIfAborted();
    count += 1;
    if (isContentDigest(digest) && (await isWhole(blobs, digest, size, { deep, signal }))) continue;
    using _held = await locks.take(digest);
    await shelf.dropBlob(server, digest);
    // Readers keep the file that they have open, and their clients find out by the digest.
    if (isContentDigest(digest) && !(await shelf.named(digest))) await blobs.remove(digest);
    dropped.push({ server, digest });
  }
  return { blobs: count, dropped };
}

async function isWhole(
  blobs: BlobStore,
  digest: ContentDigest,
  size: number,
  { deep, signal }: { readonly deep: boolean; readonly signal: AbortSignal },
): Promise<boolean> {
  const file = await blobs.read(digest);
  if (!file) return false;
  await using handle = file;
  if ((await handle.stat()).size !== size) return false;
  if (!deep) return true;
  const algorithm = algorithmOf(digest);
  const hash = createHash(algorithm);
  for await (const chunk of handle.createReadStream({ highWaterMark: 2 ** 20, autoClose: false })) {
    signal.throwIfAborted();
    hash.update(chunk as Buffer);
  }
  return finishDigest(hash, algorithm) === digest;
}
