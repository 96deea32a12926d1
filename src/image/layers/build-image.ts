import { availableParallelism } from 'node:os';
import { addAbortSignal, Readable } from 'node:stream';
import type { Digest } from '../../kernel/digest.ts';
import { withDeadline } from '../../kernel/deadline.ts';
import { WaybillError, isWaybillError } from '../../kernel/error.ts';
import { createLayout, refNameAnnotation, type Layout } from '../../oci/layout.ts';
import type { ImageManifest } from '../../oci/manifest.ts';
import { ociConfig, ociLayerTarGzip, ociManifest } from '../../oci/media-types.ts';
import type { PlannedImage, PlannedLayer } from '../../plan/plan.ts';
import { readBase } from './base-layers.ts';
import type { BuildContext, BuiltImage, BuiltLayer } from './build-context.ts';
import { folderTree } from './folder-tree.ts';
import { compressor, gzipBlocks, hashBlocks, type Compressed } from './gzip.ts';
import { imageConfig, seconds } from './image-config.ts';
import { openLayerCache } from './layer-cache.ts';
import { defaultLimits } from './limits.ts';
import { tarBlocks } from './tar.ts';
import { tarTree } from './tar-tree.ts';
import type { Tree } from './tree.ts';
import { walk } from './walk.ts';

/**
 * Builds an image without a daemon, from the merged commit's own tree, into an OCI layout. Layers with the same `after` commands share one
 * run of a build sandbox; layers without come straight from the tree's tar. Equal trees give equal diffIDs, and with one zlib equal digests.
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
  const base = await copyBase(planned, context, layout);
  const layers = await buildLayers(planned, context, layout);
  const config = Buffer.from(JSON.stringify(imageConfig({ ...context, config: planned.config, base: base?.config, layers })));
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: ociManifest,
    config: await layout.addBlob(config, ociConfig),
    layers: [...(base?.layers ?? []), ...layers.map(({ digest, size }) => ({ mediaType: ociLayerTarGzip, digest, size }))],
    annotations: annotations(planned, context, base?.digest),
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const entry = await layout.addBlob(bytes, ociManifest);
  await layout.addEntry(entry, { [refNameAnnotation]: planned.name });
  const { digest, size } = entry;
  context.onProgress({ kind: 'image', digest });
  return {
    name: planned.name,
    digest,
    size,
    layout: context.out,
    manifest,
    layers,
    ...(base && { base: { reference: planned.base, digest: base.digest } }),
    compressor,
  };
}

async function copyBase(planned: PlannedImage, context: BuildContext, layout: Layout) {
  if (planned.base === 'scratch') return undefined;
  const image = await context.base(planned.base, context.signal);
  const read = readBase(planned.base, image, context.platform);
  for (const layer of new Map(read.layers.map((each) => [each.digest, each])).values()) {
    await layout.addBlob(addAbortSignal(context.signal, await image.blob(layer, context.signal)), layer.mediaType, {
      expected: layer,
      signal: context.signal,
    });
  }
  context.onProgress({ kind: 'base', digest: image.digest, size: read.layers.reduce((sum, layer) => sum + layer.size, 0) });
  return { ...read, digest: image.digest };
}

async function buildLayers(planned: PlannedImage, context: BuildContext, layout: Layout): Promise<BuiltLayer[]> {
  const layers = new Map<PlannedLayer, BuiltLayer>();
  for (const group of Map.groupBy(planned.layers, (layer) => JSON.stringify(layer.after)).values()) {
    await using resources = new AsyncDisposableStack();
    const tree = resources.use(await treeOf(group[0]?.after ?? [], context, resources));
    for (const layer of group) layers.set(layer, await buildLayer(planned, layer, tree, context, layout));
  }
  return planned.layers.flatMap((layer) => layers.get(layer) ?? []);
}

/** The commit's own tree, or what the commands made of a checkout of it. */
async function treeOf(after: readonly string[], context: BuildContext, resources: AsyncDisposableStack): Promise<Tree> {
  if (after.length === 0)
    return await tarTree((abort) => context.source(abort), context.out, { ...defaultLimits, ...context.limits }, context.signal);
  const start = performance.now();
  const sandbox = resources.use(await context.sandbox(after, context.signal));
  context.onProgress({ kind: 'sandbox', commands: after, milliseconds: performance.now() - start });
  return folderTree(sandbox.folder);
}

async function buildLayer(
  planned: PlannedImage,
  { from, to }: PlannedLayer,
  tree: Tree,
  context: BuildContext,
  layout: Layout,
): Promise<BuiltLayer> {
  const start = performance.now();
  const limits = { ...defaultLimits, ...context.limits };
  const blocks = () => tarBlocks(walk(tree, { from, to, parents: planned.base === 'scratch', limits }), context.mtime ?? context.created);
  try {
    const cache = context.cache === undefined ? undefined : await openLayerCache(context.cache, [planned.name, from, to]);
    const known = cache?.warm ? await hashBlocks(blocks(), context.signal) : undefined;
    const cached = known && (await cache?.take(known, layout, context.signal));
    const { descriptor, diffId } = cached ? { descriptor: cached, diffId: known } : await compress(blocks(), layout, context);
    if (!cached) await cache?.keep(diffId, descriptor, layout);
    const layer = { diffId, digest: descriptor.digest, size: descriptor.size, from, to };
    context.onProgress({ kind: 'layer', layer, cached: cached !== undefined, milliseconds: performance.now() - start });
    return layer;
  } catch (error) {
    if (!isWaybillError(error, 'NOT_FOUND', 'IMAGE_LAYER_INVALID', 'LIMIT_EXCEEDED')) throw error;
    throw new WaybillError(error.code, `layer ${from} → ${to} of image ${planned.name}: ${error.detail}`, { cause: error, fix: error.fix });
  }
}

async function compress(blocks: Iterable<Buffer>, layout: Layout, context: BuildContext) {
  const done: Compressed = { uncompressedSize: 0 };
  const stream = gzipBlocks(blocks, context.concurrency ?? availableParallelism(), context.signal, done);
  const descriptor = await layout.addBlob(Readable.from(stream, { objectMode: false }), ociLayerTarGzip, { signal: context.signal });
  if (done.diffId === undefined) throw new WaybillError('INTERNAL', 'the layer was not read to its end');
  return { descriptor, diffId: done.diffId };
}

/** OCI image-spec, annotations.md. */
function annotations(planned: PlannedImage, context: BuildContext, base: Digest | undefined): Record<string, string> {
  const all: Record<string, string> = {
    'org.opencontainers.image.created': seconds(context.created),
    ...(base && { 'org.opencontainers.image.base.name': planned.base, 'org.opencontainers.image.base.digest': base }),
    ...context.annotations,
  };
  return Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
}
