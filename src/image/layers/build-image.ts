import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { Readable } from 'node:stream';
import type { Digest } from '../../kernel/digest.ts';
import { withDeadline } from '../../kernel/deadline.ts';
import { WaybillError, isWaybillError } from '../../kernel/error.ts';
import { createLayout, type LayoutWriter } from './layout-writer.ts';
import type { ImageManifest } from '../../oci/manifest.ts';
import { ociConfig, ociLayerTarGzip, ociManifest } from '../../oci/media-types.ts';
import type { PlannedImage, PlannedLayer } from '../../plan/plan.ts';
import { readBase } from './base-layers.ts';
import type { BuildContext, BuiltImage, BuiltLayer } from './build-context.ts';
import { folderTree } from './folder-tree.ts';
import { compressor, gzipBlocks, type Compressed } from './gzip.ts';
import { imageConfig, seconds } from './image-config.ts';
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
  const { signal } = deadline;
  await mkdir(context.out, { recursive: true });
  const layout = await createLayout(context.out);
  const base = await copyBase(planned, context, layout, signal);
  const layers = await buildLayers(planned, context, layout, signal);
  const config = Buffer.from(JSON.stringify(imageConfig({ ...context, config: planned.config, base: base?.config, layers })));
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: ociManifest,
    config: { mediaType: ociConfig, ...(await layout.addBlob(Readable.from([config]), { signal })) },
    layers: [...(base?.layers ?? []), ...layers.map(({ digest, size }) => ({ mediaType: ociLayerTarGzip, digest, size }))],
    annotations: annotations(planned, context, base?.digest),
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const { digest, size } = await layout.addManifest(bytes, { name: planned.name });
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

async function copyBase(planned: PlannedImage, context: BuildContext, layout: LayoutWriter, signal: AbortSignal) {
  if (planned.base === 'scratch') return undefined;
  const image = await context.base(planned.base, signal);
  const read = readBase(planned.base, image, context.platform);
  for (const layer of new Map(read.layers.map((each) => [each.digest, each])).values()) {
    await layout.addBlob(await image.blob(layer, signal), { expected: layer, signal });
  }
  context.onProgress({ kind: 'base', digest: image.digest, size: read.layers.reduce((sum, layer) => sum + layer.size, 0) });
  return { ...read, digest: image.digest };
}

async function buildLayers(planned: PlannedImage, context: BuildContext, layout: LayoutWriter, signal: AbortSignal): Promise<BuiltLayer[]> {
  const layers = new Map<PlannedLayer, BuiltLayer>();
  for (const group of Map.groupBy(planned.layers, (layer) => JSON.stringify(layer.after)).values()) {
    await using resources = new AsyncDisposableStack();
    const tree = resources.use(await treeOf(group[0]?.after ?? [], context, resources, signal));
    for (const layer of group) layers.set(layer, await buildLayer(planned, layer, tree, context, layout, signal));
  }
  return planned.layers.flatMap((layer) => layers.get(layer) ?? []);
}

/** The commit's own tree, or what the commands made of a checkout of it. */
async function treeOf(
  after: readonly string[],
  context: BuildContext,
  resources: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Tree> {
  if (after.length === 0)
    return await tarTree((abort) => context.source(abort), context.out, { ...defaultLimits, ...context.limits }, signal);
  const start = performance.now();
  const sandbox = resources.use(await context.sandbox(after, signal));
  context.onProgress({ kind: 'sandbox', commands: after, milliseconds: performance.now() - start });
  return folderTree(sandbox.folder);
}

async function buildLayer(
  planned: PlannedImage,
  { from, to }: PlannedLayer,
  tree: Tree,
  context: BuildContext,
  layout: LayoutWriter,
  signal: AbortSignal,
): Promise<BuiltLayer> {
  const start = performance.now();
  const entries = walk(tree, { from, to, parents: planned.base === 'scratch', limits: { ...defaultLimits, ...context.limits } });
  const done: Compressed = { uncompressedSize: 0 };
  try {
    const stream = gzipBlocks(tarBlocks(entries, context.created), context.concurrency ?? availableParallelism(), signal, done);
    const { digest, size } = await layout.addBlob(Readable.from(stream, { objectMode: false }), { signal });
    if (done.diffId === undefined) throw new WaybillError('INTERNAL', 'the layer was not read to its end');
    const layer = { diffId: done.diffId, digest, size, from, to };
    context.onProgress({ kind: 'layer', layer, milliseconds: performance.now() - start });
    return layer;
  } catch (error) {
    if (!isWaybillError(error, 'NOT_FOUND', 'IMAGE_LAYER_INVALID', 'LIMIT_EXCEEDED')) throw error;
    throw new WaybillError(error.code, `layer ${from} → ${to} of image ${planned.name}: ${error.detail}`, { cause: error, fix: error.fix });
  }
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
