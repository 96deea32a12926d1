import type { Digest } from '../kernel/digest.ts';
import { WaybillError } from '../kernel/error.ts';
import type { CopyOptions, RegistryClient, Resolved } from './client-types.ts';
import { createLayout, openLayout, refNameAnnotation, type Layout } from './layout.ts';
import { childrenOf, parseManifest, type Descriptor, type Manifest } from './manifest.ts';

const parallel = 3;
const maxDepth = 5;

/** Blobs first, then the manifests from the leaves up, so that the registry never holds one whose content is missing. */
export async function pushLayout(
  client: RegistryClient,
  folder: string,
  digest: Digest,
  repository: string,
  options: CopyOptions = {},
): Promise<Resolved> {
  const { signal, tag } = options;
  const layout = await openLayout(folder);

  async function push(parent: Digest, asTag: string | undefined, depth: number): Promise<Resolved> {
    if (depth > maxDepth) throw new WaybillError('LIMIT_EXCEEDED', `The index is nested more than ${maxDepth} deep`);
    const bytes = await layout.readBlob(parent);
    const manifest = parseManifest(bytes);
    if (manifest.kind === 'index') for (const child of manifest.index.manifests) await push(child.digest, undefined, depth + 1);
    else await eachOnce(childrenOf(manifest), signal, (blob, stop) => pushBlob(blob, stop));
    await client.putManifest(repository, bytes, manifest.mediaType, {
      ...(asTag === undefined ? {} : { tag: asTag }),
      ...(signal ? { signal } : {}),
    });
    return { digest: manifest.digest, mediaType: manifest.mediaType, size: manifest.size };
  }

  async function pushBlob(blob: Descriptor, stop: AbortSignal): Promise<void> {
    const present = await client.hasBlob(repository, blob.digest, stop);
    if (!present) await client.putBlob(repository, { path: layout.blobPath(blob.digest) }, blob, stop);
    options.onProgress?.({ blob: blob.digest, size: blob.size, status: present ? 'present' : 'copied' });
  }

  return await push(digest, tag, 0);
}

export async function pullToLayout(
  client: RegistryClient,
  repository: string,
  reference: string,
  folder: string,
  options: CopyOptions = {},
): Promise<Resolved> {
  const { signal, tag } = options;
  const layout = await createLayout(folder);

  async function pull(what: string, depth: number): Promise<Resolved> {
    if (depth > maxDepth) throw new WaybillError('LIMIT_EXCEEDED', `The index is nested more than ${maxDepth} deep`);
    const { manifest, bytes, descriptor } = await client.getManifest(repository, what, signal);
    await pullChildren(manifest, depth);
    await layout.addBlob(bytes, descriptor.mediaType, { expected: descriptor });
    return descriptor;
  }

  async function pullChildren(manifest: Manifest, depth: number): Promise<void> {
    if (manifest.kind === 'index') for (const child of manifest.index.manifests) await pull(child.digest, depth + 1);
    else await eachOnce(childrenOf(manifest), signal, (blob, stop) => pullBlob(layout, blob, stop));
  }

  async function pullBlob(into: Layout, blob: Descriptor, stop: AbortSignal): Promise<void> {
    const present = await into.hasBlob(blob.digest);
    if (!present) await into.addBlob(await client.getBlob(repository, blob, stop), blob.mediaType, { expected: blob, signal: stop });
    options.onProgress?.({ blob: blob.digest, size: blob.size, status: present ? 'present' : 'copied' });
  }

  const descriptor = await pull(reference, 0);
  await layout.addEntry(descriptor, tag === undefined ? undefined : { [refNameAnnotation]: tag });
  return descriptor;
}

/** Runs `work` for each digest once, a few at a time. The first failure stops the others, which have ended when this throws. */
async function eachOnce(
  blobs: readonly Descriptor[],
  signal: AbortSignal | undefined,
  work: (blob: Descriptor, stop: AbortSignal) => Promise<void>,
): Promise<void> {
  const queue = [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
  const failed = new AbortController();
  const stop = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
  let first: { error: unknown } | undefined;
  const worker = async () => {
    for (let blob = queue.shift(); blob && !first; blob = queue.shift()) {
      try {
        await work(blob, stop);
      } catch (error) {
        first ??= { error };
        failed.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  if (first) throw first.error;
}
