import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { WaybillError, messageOf } from '../../kernel/error.ts';
import type { RegistryClient } from '../../oci/client-types.ts';
import { openLayout, refNameAnnotation } from '../../oci/layout.ts';
import type { Descriptor, Manifest } from '../../oci/manifest.ts';
import { imageConfigSchema, type ImageConfigFile } from '../layers/image-config.ts';
import type { Platform } from '../layers/platform.ts';

/** One image, in a layout on this disk or in a registry. What is read through it is checked against its digest. */
export type ImageReader = {
  /** As a person would write it. */
  readonly name: string;
  /** What the name stands for: an image manifest, or an index of several. */
  readonly top: Manifest;
  manifest(descriptor: Descriptor): Promise<Manifest>;
  /** Fails at its end when the content is not the digest's. */
  blob(descriptor: Descriptor): Promise<Readable>;
  /** Of the image's top; undefined where nobody can be asked (a layout holds no papers). */
  referrers?(): Promise<readonly Descriptor[]>;
};

/** An image manifest with its configuration: one platform of what a reader reads. */
export type PlatformImage = {
  readonly platform: Platform;
  readonly manifest: Extract<Manifest, { kind: 'image' }>;
  readonly config: ImageConfigFile;
  /** As it stands in the blob, everything that the schema does not read included. */
  readonly rawConfig: Record<string, unknown>;
};

const largestConfig = 4 * 1024 * 1024;
const mostPlatforms = 100;

/** @param name the entry's name in the layout, or a digest; needed when the layout holds several images */
export async function readLayoutImage(folder: string, name: string | undefined): Promise<ImageReader> {
  const layout = await openLayout(folder);
  const entries = await layout.entries();
  const named = name === undefined ? entries : entries.filter((entry) => entry.digest === name || nameOf(entry) === name);
  // A name that was given again stands at the end.
  const found = named.at(-1);
  const known = [...new Set(entries.map((entry) => nameOf(entry) ?? entry.digest))];
  if (found === undefined)
    throw new WaybillError('NOT_FOUND', `the layout ${folder} holds no image${name === undefined ? '' : ` ${name}`}`, {
      fix: known.length === 0 ? 'Build one: waybill image build.' : `It holds: ${known.slice(0, 20).join(', ')}.`,
    });
  if (name === undefined && new Set(named.map((entry) => entry.digest)).size > 1)
    throw new WaybillError('INVALID_INPUT', `the layout ${folder} holds several images`, {
      fix: `Name one: ${known
        .slice(0, 20)
        .map((each) => `${folder}:${each}`)
        .join(', ')}.`,
    });
  return {
    name: `${folder}:${nameOf(found) ?? found.digest}`,
    top: await layout.manifest(found.digest),
    manifest: (descriptor) => layout.manifest(descriptor.digest),
    blob: (descriptor) => layout.openBlob(descriptor.digest),
  };
}

/** @throws WaybillError NOT_FOUND */
export async function readRegistryImage(
  client: RegistryClient,
  repository: string,
  tagOrDigest: string,
  signal: AbortSignal,
): Promise<ImageReader> {
  const name = `${client.registry}/${repository}${tagOrDigest.includes(':') ? '@' : ':'}${tagOrDigest}`;
  if (!(await client.resolve(repository, tagOrDigest, signal))) throw new WaybillError('NOT_FOUND', `there is no image ${name}`);
  const { manifest } = await client.getManifest(repository, tagOrDigest, signal);
  return {
    name,
    top: manifest,
    manifest: async (descriptor) => (await client.getManifest(repository, descriptor.digest, signal)).manifest,
    blob: (descriptor) => client.getBlob(repository, descriptor, signal),
    referrers: () => client.listReferrers(repository, manifest.digest, { signal }),
  };
}

/** Every platform of an image; entries of an index that are no images (attestations of other builders) are left out. */
export async function platformsOf(reader: ImageReader): Promise<readonly PlatformImage[]> {
  const { top } = reader;
  if (top.kind === 'image') return [await platformImage(reader, top)];
  const members = top.index.manifests.filter((each) => each.platform?.os !== 'unknown' && each.artifactType === undefined);
  if (members.length > mostPlatforms)
    throw new WaybillError('LIMIT_EXCEEDED', `${reader.name} is an index of ${members.length} images; at most ${mostPlatforms} are read`);
  const images: PlatformImage[] = [];
  for (const member of members) {
    const manifest = await reader.manifest(member);
    if (manifest.kind === 'image') images.push(await platformImage(reader, manifest, member));
  }
  return images;
}

/** `linux/arm64/v8` */
export function platformText({ os, architecture, variant }: Platform & { readonly variant?: string | undefined }): string {
  return [os, architecture, variant].filter((part) => part !== undefined && part !== '').join('/');
}

async function platformImage(
  reader: ImageReader,
  manifest: Extract<Manifest, { kind: 'image' }>,
  member?: Descriptor,
): Promise<PlatformImage> {
  const invalid = (why: string, cause?: unknown) =>
    new WaybillError('INVALID_INPUT', `${reader.name} (${manifest.digest}) is no image of files: ${why}`, { cause });
  const descriptor = manifest.image.config;
  if (descriptor.size > largestConfig)
    throw new WaybillError('LIMIT_EXCEEDED', `the configuration of ${reader.name} is larger than ${largestConfig} bytes`);
  const bytes = await buffer(await reader.blob(descriptor));
  let rawConfig: Record<string, unknown>;
  let config: ImageConfigFile;
  try {
    rawConfig = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Record<string, unknown>;
    config = imageConfigSchema.parse(rawConfig);
  } catch (error) {
    throw invalid(messageOf(error).slice(0, 300), error);
  }
  if (config.rootfs.diff_ids.length !== manifest.image.layers.length)
    throw invalid('its manifest and its configuration differ in their number of layers');
  const variant = member?.platform?.variant ?? config.variant;
  return {
    platform: { os: config.os, architecture: config.architecture, ...(variant === undefined ? {} : { variant }) },
    manifest,
    config,
    rawConfig,
  };
}

function nameOf(entry: Descriptor): string | undefined {
  return entry.annotations?.[refNameAnnotation];
}
