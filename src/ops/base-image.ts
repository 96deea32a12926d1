import { buffer } from 'node:stream/consumers';
import type { BaseImage } from '../image/layers/build-context.ts';
import { formatPlatform, suits, type Platform } from '../image/layers/platform.ts';
import type { Digest } from '../kernel/digest.ts';
import { WaybillError } from '../kernel/error.ts';
import type { RegistryClient } from '../oci/client-types.ts';
import { parseReference } from '../oci/reference.ts';
import { parseMirrorRepository } from '../registry/mirror/path.ts';

const largestConfig = 4 * 1024 * 1024;

/** Repository of a base in our own registry; another registry's name is refused: what is there has no papers. */
export function baseRepository(base: string, registryName: string): string | undefined {
  if (base === 'scratch') return undefined;
  const reference = parseReference(base);
  if (reference.registry !== undefined && reference.registry !== registryName) {
    throw new WaybillError('UNSUPPORTED', `the base ${base} is in another registry`, {
      fix: `Use a base that a run of this Waybill has built, or import it (waybill image import ${base}): ${registryName}/REPOSITORY/IMAGE@sha256:….`,
    });
  }
  if (parseMirrorRepository(reference.repository)) {
    throw new WaybillError('FORBIDDEN', `the base ${base} is a copy of what somebody else has, and nobody here vouches for it`, {
      fix: 'Import it, and name what the import gives: waybill image import REFERENCE --reason ….',
    });
  }
  return reference.repository;
}

/** A base from our registry, read by the digest that the run has recorded for it; of an index, the member for the platform. */
export async function baseImage(
  client: RegistryClient,
  registryName: string,
  { reference: base, digest }: { readonly reference: string; readonly digest: Digest },
  platform: Platform,
  signal: AbortSignal,
): Promise<BaseImage> {
  const repository = baseRepository(base, registryName);
  if (repository === undefined) throw new WaybillError('INTERNAL', 'scratch has no manifest');
  let { manifest } = await client.getManifest(repository, digest, signal);
  if (manifest.kind === 'index') {
    const member = manifest.index.manifests.find((each) => suits(each.platform, platform));
    if (!member) throw new WaybillError('IMAGE_BASE_INVALID', `${base} has no image for ${formatPlatform(platform)}`);
    ({ manifest } = await client.getManifest(repository, member.digest, signal));
  }
  if (manifest.kind !== 'image') throw new WaybillError('IMAGE_BASE_INVALID', `${base} is an index of indexes`);
  const { image } = manifest;
  if (image.config.size > largestConfig)
    throw new WaybillError('IMAGE_BASE_INVALID', `the configuration of ${base} is larger than ${largestConfig} bytes`);
  return {
    resolved: digest,
    digest: manifest.digest,
    manifest: image,
    config: await buffer(await client.getBlob(repository, image.config, signal)),
    blob: (descriptor, signal) => client.getBlob(repository, descriptor, signal),
  };
}

/**
 * What a reference names in a registry now.
 * @throws WaybillError NOT_FOUND, UNSUPPORTED for another registry
 */
export async function resolveBase(client: RegistryClient, registryName: string, base: string, signal: AbortSignal): Promise<Digest> {
  const repository = baseRepository(base, registryName);
  const { digest, tag } = parseReference(base);
  if (repository === undefined) throw new WaybillError('INTERNAL', 'scratch has no manifest');
  const resolved = await client.resolve(repository, digest ?? tag ?? 'latest', signal);
  if (!resolved) throw new WaybillError('NOT_FOUND', `there is no base image ${base} in ${registryName}`);
  return resolved.digest;
}
