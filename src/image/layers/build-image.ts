import { addAbortSignal } from 'node:stream';
import type { Digest } from '../../kernel/digest.ts';
import { withDeadline } from '../../kernel/deadline.ts';
import { WaybillError } from '../../kernel/error.ts';
import { createLayout, refNameAnnotation, type Layout } from '../../oci/layout.ts';
import type { ImageManifest } from '../../oci/manifest.ts';
import { ociConfig, ociIndex, ociManifest } from '../../oci/media-types.ts';
import type { PlannedImage, PlannedLayer } from '../../plan/plan.ts';
import { readBase } from './base-layers.ts';
import type { BuildContext, BuiltImage, BuiltLayer, BuiltManifest } from './build-context.ts';
import { buildLayers } from './build-layers.ts';
import { compressorOf, layerMediaTypes } from './compress.ts';
import { imageConfig, seconds } from './image-config.ts';
import { parsePlatform, suits, type Platform } from './platform.ts';

/** What container engines mount on top of one another. */
const mostLayers = 127;

type Base = { readonly reference: string; readonly resolved: Digest } & ReturnType<typeof readBase>;

/**
 * Builds an image without a daemon, from the merged commit's own tree, into an OCI layout: a manifest, or an index of one for each platform.
 * Layers with the same `after` commands share one run of a build sandbox; layers without come straight from the tree's tar. Equal trees give
 * equal diffIDs, and with one compressor equal digests.
 * @throws WaybillError NOT_FOUND, IMAGE_LAYER_INVALID, IMAGE_BASE_INVALID, LIMIT_EXCEEDED, DEADLINE_EXCEEDED; whatever the context throws
 */
export async function buildImage(planned: PlannedImage, context: BuildContext): Promise<BuiltImage> {
  using deadline = withDeadline(context.signal, planned.timeoutMs, `the build of image ${planned.name}`);
  try {
    return await build(planned, { ...context, signal: deadline.signal });
  } catch (error) {
    // What was running says only that it was aborted; the signal knows why.
    deadline.signal.throwIfAborted();
    throw error;
  }
}

async function build(planned: PlannedImage, context: BuildContext): Promise<BuiltImage> {
  const layout = await createLayout(context.out);
  const platforms = planned.platforms?.map(parsePlatform) ?? [context.platform];
  const bases = new Map<Platform, Base>();
  for (const platform of platforms) {
    const base = await copyBase(planned, platform, context, layout);
    if (base) bases.set(platform, base);
  }
  const deepest = Math.max(0, ...Array.from(bases.values(), (base) => base.layers.length));
  const layers = await buildLayers(planned, mostLayers - deepest, context, layout);

  const manifests: BuiltManifest[] = [];
  for (const platform of platforms) {
    const own = planned.layers.flatMap((layer) => (belongs(layer, platform) ? (layers.get(layer) ?? []) : []));
    manifests.push(await addManifest(planned, platform, own, bases.get(platform), context, layout));
  }
  const [first, ...others] = manifests;
  if (!first) throw new WaybillError('INVALID_INPUT', `image ${planned.name} names no platform`);
  const whole = others.length === 0 ? first : await addIndex(planned, manifests, context, layout);
  const { digest, size } = whole;
  await layout.addEntry({ mediaType: others.length === 0 ? ociManifest : ociIndex, digest, size }, { [refNameAnnotation]: planned.name });
  context.onProgress({ kind: 'image', digest });
  const base = bases.values().next().value;
  return {
    name: planned.name,
    digest,
    size,
    layout: context.out,
    manifests: [first, ...others],
    layers: planned.layers.flatMap((layer) => layers.get(layer) ?? []),
    ...(base && { base: { reference: base.reference, digest: base.resolved } }),
    compressor: compressorOf(planned.compression ?? 'zstd'),
  };
}

function belongs(layer: PlannedLayer, platform: Platform): boolean {
  return layer.platform === undefined || suits(parsePlatform(layer.platform), platform);
}

async function addManifest(
  planned: PlannedImage,
  platform: Platform,
  layers: readonly BuiltLayer[],
  base: Base | undefined,
  context: BuildContext,
  layout: Layout,
): Promise<BuiltManifest> {
  const { created } = context;
  const labels = annotations(planned, context, undefined);
  const config = imageConfig({ platform, created, labels, config: planned.config, base: base?.config, layers });
  const mediaType = layerMediaTypes[planned.compression ?? 'zstd'];
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: ociManifest,
    config: await layout.addBlob(Buffer.from(JSON.stringify(config)), ociConfig),
    layers: [...(base?.layers ?? []), ...layers.map(({ digest, size }) => ({ mediaType, digest, size }))],
    annotations: annotations(planned, context, base?.resolved),
  };
  const { digest, size } = await layout.addBlob(Buffer.from(JSON.stringify(manifest)), ociManifest);
  return { platform, digest, size, manifest };
}

/** image-spec image-index.md, in the order of the pipeline file: engines take the first that suits them. */
async function addIndex(planned: PlannedImage, manifests: readonly BuiltManifest[], context: BuildContext, layout: Layout) {
  const index = {
    schemaVersion: 2,
    mediaType: ociIndex,
    manifests: manifests.map(({ platform, digest, size }) => ({
      mediaType: ociManifest,
      digest,
      size,
      platform: { architecture: platform.architecture, os: platform.os, ...(platform.variant && { variant: platform.variant }) },
    })),
    annotations: annotations(planned, context, undefined),
  };
  return await layout.addBlob(Buffer.from(JSON.stringify(index)), ociIndex);
}

async function copyBase(planned: PlannedImage, platform: Platform, context: BuildContext, layout: Layout): Promise<Base | undefined> {
  if (planned.base === 'scratch') return undefined;
  const image = await context.base(planned.base, platform, context.signal);
  const read = readBase(planned.base, image, platform);
  for (const layer of new Map(read.layers.map((each) => [each.digest, each])).values()) {
    if (await layout.hasBlob(layer.digest)) continue;
    await layout.addBlob(addAbortSignal(context.signal, await image.blob(layer, context.signal)), layer.mediaType, {
      expected: layer,
      signal: context.signal,
    });
  }
  context.onProgress({ kind: 'base', digest: image.digest, size: read.layers.reduce((sum, layer) => sum + layer.size, 0) });
  return { ...read, reference: planned.base, resolved: image.resolved };
}

/** OCI image-spec, annotations.md. The same are labels of the configuration, where most tools look for them. */
function annotations(planned: PlannedImage, context: BuildContext, base: Digest | undefined): Record<string, string> {
  const all: Record<string, string> = {
    'org.opencontainers.image.created': seconds(context.created),
    ...(base && { 'org.opencontainers.image.base.name': planned.base, 'org.opencontainers.image.base.digest': base }),
    ...context.annotations,
  };
  return Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
}
