import { setTimeout as sleep } from 'node:timers/promises';
import type { Digest } from '../../kernel/digest.ts';
import { hexOf } from '../../kernel/digest.ts';
import { WaybillError, isWaybillError, messageOf } from '../../kernel/error.ts';
import type { RegistryClient, Resolved } from '../../oci/client-types.ts';
import { childrenOf, type Descriptor } from '../../oci/manifest.ts';
import { ociIndex } from '../../oci/media-types.ts';
import { referrersTag } from '../../oci/referrers.ts';

export type Copy = {
  readonly from: RegistryClient;
  readonly to: RegistryClient;
  /** Names of the repository on both sides. */
  readonly source: string;
  readonly target: string;
  readonly digest: Digest;
  readonly tag: string;
  readonly signal: AbortSignal;
  /** One line for the log of the run. */
  readonly onProgress: (line: string) => void;
};

export type Copied = { readonly papers: number; readonly referrers: 'api' | 'tag'; readonly blobs: number; readonly bytes: number };

const parallel = 4;
const retryDelaysMs = [500, 2_000, 8_000];
const maxDepth = 5;

/**
 * Copies an image with everything that hangs at it: its papers as referrers, or under the tag that stands in where the registry has no referrers API,
 * and cosign's `.sig` and `.att` tags; then reads all of it back. What is there already is not sent again, so a copy that broke off goes on where it was.
 * A tag that is there with other content is never moved. One writer for an image (trust.md, "Evidence").
 * @throws WaybillError CONFLICT for a tag with other content, REGISTRY_FAILED, FORBIDDEN, UNAUTHENTICATED
 */
export async function copyImage(copy: Copy): Promise<Copied> {
  const { from, to, source, target, digest, tag, signal, onProgress } = copy;
  const sent = { blobs: 0, bytes: 0 };
  await copyManifest(copy, digest, sent, 0);
  onProgress(`copied ${sent.blobs} blobs, ${(sent.bytes / 1e6).toFixed(1)} MB, to ${to.registry}/${target}`);

  const referrers = await from.listReferrers(source, digest, { signal });
  const unkept: Descriptor[] = [];
  for (const paper of referrers) {
    const kept = await copyManifest(copy, paper.digest, sent, 0);
    if (kept !== digest) unkept.push(paper);
  }
  if (unkept.length > 0) await extendFallback(copy, unkept);
  // Signatures before the name by which the image is found.
  const tags = [`sha256-${hexOf(digest)}.sig`, `sha256-${hexOf(digest)}.att`];
  const copied: [string, Digest][] = [];
  for (const name of tags) {
    const there = await from.resolve(source, name, signal);
    if (there) copied.push([name, there.digest]);
  }
  for (const [name, of] of copied) {
    await copyManifest(copy, of, sent, 0);
    await setTag(copy, name, of);
  }
  await setTag(copy, tag, digest);
  await readBack(copy, [...copied, [tag, digest]], referrers);
  onProgress(
    `${referrers.length} papers ${unkept.length > 0 ? `under the tag ${referrersTag(digest).slice(0, 19)}…` : 'as referrers'}; read back`,
  );
  return { papers: referrers.length, referrers: unkept.length > 0 ? 'tag' : 'api', ...sent };
}

/** Blobs first, then manifests from the leaves up. Gives the subject that the registry says it keeps. */
async function copyManifest(
  copy: Copy,
  digest: Digest,
  sent: { blobs: number; bytes: number },
  depth: number,
): Promise<Digest | undefined> {
  const { from, to, source, target, signal } = copy;
  if (depth > maxDepth) throw new WaybillError('LIMIT_EXCEEDED', `The index is nested more than ${maxDepth} deep`);
  const { manifest, bytes, descriptor } = await from.getManifest(source, digest, signal);
  if (manifest.kind === 'index') for (const child of manifest.index.manifests) await copyManifest(copy, child.digest, sent, depth + 1);
  else {
    const queue = [...new Map(childrenOf(manifest).map((blob) => [blob.digest, blob])).values()];
    const workers = await Promise.allSettled(
      Array.from({ length: parallel }, async () => {
        for (let blob = queue.shift(); blob; blob = queue.shift())
          if (await copyBlob(copy, blob)) {
            sent.blobs++;
            sent.bytes += blob.size;
          }
      }),
    );
    // All have ended: nothing of a failed copy goes on behind it.
    for (const worker of workers) if (worker.status === 'rejected') throw worker.reason;
  }
  const { subject } = await again(copy, () => to.putManifest(target, bytes, descriptor.mediaType, { signal }));
  return subject;
}

async function copyBlob(copy: Copy, blob: Descriptor): Promise<boolean> {
  const { from, to, source, target, signal } = copy;
  return again(copy, async () => {
    if (await to.hasBlob(target, blob.digest, signal)) return false;
    const stream = await from.getBlob(source, blob, signal);
    try {
      await to.putBlob(target, { stream }, blob, signal);
    } finally {
      stream.destroy();
    }
    return true;
  });
}

/** A tag is set once. Registries with tags that do not move refuse to set one again, also to what it is. */
async function setTag({ to, from, source, target, signal, onProgress }: Copy, tag: string, digest: Digest): Promise<void> {
  const present = await to.resolve(target, tag, signal);
  if (present?.digest === digest) return;
  if (present)
    throw new WaybillError(
      'CONFLICT',
      `${to.registry}/${target}:${tag} is ${present.digest}, not ${digest}: somebody else has written there`,
      {
        fix: 'Find out who can push there (waybill registry list shows which registry it is), and remove that tag.',
      },
    );
  const { bytes, descriptor } = await from.getManifest(source, digest, signal);
  await to.putManifest(target, bytes, descriptor.mediaType, { tag, signal });
  onProgress(`tagged ${tag}`);
}

/** The index of what refers to the image, in one write with all that is new, and read back (distribution-spec "Referrers Tag Schema"). */
async function extendFallback({ to, target, digest, signal }: Copy, papers: readonly Descriptor[]): Promise<void> {
  const present = await to.listReferrers(target, digest, { signal });
  const missing = papers.filter((paper) => !present.some((one) => one.digest === paper.digest));
  if (missing.length === 0) return;
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests: [...present, ...missing] }));
  await to.putManifest(target, index, ociIndex, { tag: referrersTag(digest), signal });
}

async function readBack(
  { to, target, digest, signal }: Copy,
  tags: readonly (readonly [string, Digest])[],
  papers: readonly Descriptor[],
): Promise<void> {
  const refuse = (what: string) => new WaybillError('REGISTRY_FAILED', `${to.registry}/${target}: ${what} was written and is not there`);
  const resolved: Resolved | undefined = await to.resolve(target, digest, signal);
  if (resolved?.digest !== digest) throw refuse(digest);
  for (const [tag, of] of tags) if ((await to.resolve(target, tag, signal))?.digest !== of) throw refuse(`the tag ${tag}`);
  const there = new Set((await to.listReferrers(target, digest, { signal })).map((one) => one.digest));
  const lost = papers.filter((paper) => !there.has(paper.digest));
  if (lost.length > 0) throw refuse(`${lost.length} of ${papers.length} papers`);
}

/** What a network or a registry does once it may not do again; a refusal stays one. */
async function again<T>({ signal, onProgress }: Copy, attempt: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      const delay = retryDelaysMs[tries];
      if (delay === undefined || !isWaybillError(error, 'REGISTRY_FAILED', 'DEADLINE_EXCEEDED') || signal.aborted) throw error;
      onProgress(`once more in ${delay} ms: ${messageOf(error)}`);
      await sleep(delay, undefined, { signal });
    }
  }
}
