import { digestOf, hexOf, type Digest } from '../kernel/digest.ts';
import { WaybillError, isWaybillError } from '../kernel/error.ts';
import type { AttachOptions, RegistryClient } from './client-types.ts';
import { artifactTypeOf, maxManifestBytes, parseManifest, type Descriptor, type Manifest } from './manifest.ts';
import { ociEmpty, ociIndex, ociManifest } from './media-types.ts';
import { readAnswer } from './transport.ts';
import { nextLink, type Wire } from './wire.ts';

const emptyConfig = Buffer.from('{}');
const maxPages = 100;
const maxAttempts = 5;

/** Tag of the index that stands in for a missing referrers API (distribution-spec "Referrers Tag Schema"). */
export function referrersTag(digest: Digest): string {
  return `sha256-${hexOf(digest)}`;
}

/** What refers to `digest`: from the API, or from the fallback tag when the registry has none. */
export async function listReferrers(
  client: RegistryClient,
  wire: Wire,
  repository: string,
  digest: Digest,
  options: { artifactType?: string; signal?: AbortSignal } = {},
): Promise<Descriptor[]> {
  const { artifactType, signal } = options;
  const found: Descriptor[] = [];
  let path: string | undefined =
    `/v2/${repository}/referrers/${digest}${artifactType === undefined ? '' : `?artifactType=${encodeURIComponent(artifactType)}`}`;
  for (let page = 0; path !== undefined && page < maxPages; page++) {
    const response = await wire.expect(
      { method: 'GET', path, repository, action: 'pull', signal },
      [200, 404],
      `Listing what refers to ${digest}`,
    );
    if (response.status === 404) {
      response.body.resume();
      found.push(...(await readFallback(client, repository, digest, signal)));
      break;
    }
    found.push(...membersOf(parseManifest(await readAnswer(response, maxManifestBytes), ociIndex)));
    path = nextLink(response);
  }
  // Asked again here: a registry may leave the filter to its client.
  return artifactType === undefined ? found : found.filter((descriptor) => descriptor.artifactType === artifactType);
}

/**
 * Pushes an artifact manifest (image-spec manifest.md "Guidelines for Artifact Usage") with `subject`. When the registry does not
 * say that it keeps referrers (no OCI-Subject header), the fallback tag's index is read, extended, written, and read back. One
 * writer per subject: two at once may still lose an entry between two reads, which the next read-back of each finds.
 */
export async function attachReferrer(
  client: RegistryClient,
  repository: string,
  subject: Descriptor,
  options: AttachOptions,
): Promise<Descriptor> {
  const { artifactType, blob, blobMediaType, annotations, signal } = options;
  const config = { mediaType: ociEmpty, digest: digestOf(emptyConfig), size: emptyConfig.length };
  const layer = { mediaType: blobMediaType, digest: digestOf(blob), size: blob.byteLength };
  for (const [bytes, descriptor] of [
    [emptyConfig, config],
    [blob, layer],
  ] as const)
    if (!(await client.hasBlob(repository, descriptor.digest, signal))) await client.putBlob(repository, { bytes }, descriptor, signal);

  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: ociManifest,
      artifactType,
      config,
      layers: [layer],
      subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
      ...(annotations ? { annotations } : {}),
    }),
  );
  const { digest, subject: kept } = await client.putManifest(repository, manifest, ociManifest, signal ? { signal } : {});
  const descriptor: Descriptor = {
    mediaType: ociManifest,
    digest,
    size: manifest.length,
    artifactType,
    ...(annotations ? { annotations } : {}),
  };
  if (kept !== subject.digest) await addToFallback(client, repository, subject.digest, descriptor, signal);
  return descriptor;
}

async function addToFallback(
  client: RegistryClient,
  repository: string,
  subject: Digest,
  entry: Descriptor,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const present = await readFallback(client, repository, subject, signal);
    if (present.some((one) => one.digest === entry.digest)) return;
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests: [...present, entry] }));
    await client.putManifest(repository, index, ociIndex, { tag: referrersTag(subject), ...(signal ? { signal } : {}) });
  }
  const present = await readFallback(client, repository, subject, signal);
  if (!present.some((one) => one.digest === entry.digest))
    throw new WaybillError(
      'CONFLICT',
      `The index of what refers to ${subject} in ${repository} is written by somebody else at the same time`,
    );
}

async function readFallback(
  client: RegistryClient,
  repository: string,
  subject: Digest,
  signal: AbortSignal | undefined,
): Promise<readonly Descriptor[]> {
  try {
    const { manifest } = await client.getManifest(repository, referrersTag(subject), signal);
    return membersOf(manifest);
  } catch (error) {
    if (isWaybillError(error, 'NOT_FOUND')) return [];
    throw error;
  }
}

function membersOf(manifest: Manifest): readonly Descriptor[] {
  if (manifest.kind !== 'index')
    throw new WaybillError(
      'REGISTRY_FAILED',
      `Referrers must come as an index, not as ${manifest.mediaType} (${artifactTypeOf(manifest) ?? 'an image'})`,
    );
  return manifest.index.manifests;
}
