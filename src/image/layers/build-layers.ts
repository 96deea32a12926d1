import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { WaybillError, isWaybillError } from '../../kernel/error.ts';
import type { Layout } from '../../oci/layout.ts';
import type { PlannedImage, PlannedLayer } from '../../plan/plan.ts';
import type { BuildContext, BuiltLayer } from './build-context.ts';
import { buildLayer, packing, placeOf, tarOptions, type LayerOptions } from './build-layer.ts';
import { compressorOf } from './compress.ts';
import { folderTree } from './folder-tree.ts';
import { openLayerCache, type KeptParts } from './layer-cache.ts';
import { defaultLimits } from './limits.ts';
import { metadataKey, type MetadataKey } from './metadata-key.ts';
import { runJob } from './pack.ts';
import { openPackers, type Packers } from './packers.ts';
import { splitEntries, type LayerPart } from './split.ts';
import { tarTree } from './tar-tree.ts';
import type { Tree } from './tree.ts';
import { walk, type LayerEntry } from './walk.ts';

/** Entries that are listed before others get their turn: about two milliseconds. */
const bite = 256;
/** A kept layer that is smaller is hashed before a thread has started. */
const worthAThread = 4 * 2 ** 20;
/** From so many bytes of files on, the threads are started while the rest is listed. */
const worthThreads = 32 * 2 ** 20;

/**
 * The layers of an image in the order of the pipeline file, each with the parts that it was split into.
 * @param room how many layers there may be
 */
export async function buildLayers(
  planned: PlannedImage,
  room: number,
  context: BuildContext,
  layout: Layout,
): Promise<ReadonlyMap<PlannedLayer, readonly BuiltLayer[]>> {
  const built = new Map<PlannedLayer, readonly BuiltLayer[]>();
  const threads = context.concurrency ?? availableParallelism();
  await using packers = openPackers(threads);
  const digest = async (path: string, size: number) =>
    size < worthAThread ? runJob({ kind: 'digest', path }) : await packers.run({ kind: 'digest', path }, context.signal);
  // One core lists files meanwhile.
  const cache = context.cache === undefined ? undefined : await openLayerCache(context.cache, { digest, atOnce: Math.max(1, threads - 1) });
  let left = room - planned.layers.length;
  if (left < 0) throw new WaybillError('LIMIT_EXCEEDED', `image ${planned.name} has more layers than fit above those of its base`);
  for (const group of Map.groupBy(planned.layers, (layer) => JSON.stringify(layer.after)).values()) {
    await using resources = new AsyncDisposableStack();
    const tree = resources.use(await treeOf(group[0]?.after ?? [], context, resources));
    for (const layer of group) {
      try {
        const compression = planned.compression ?? 'zstd';
        const options = { image: planned.name, compression, layout, cache, readFrom: Date.now(), context };
        const parts = await buildParts(planned, layer, tree, { most: left + 1, packers, threads, options });
        left -= parts.length - 1;
        built.set(layer, parts);
      } catch (error) {
        throw placed(error, planned, layer);
      }
    }
  }
  return built;
}

type Shared = {
  readonly most: number;
  readonly packers: Packers;
  readonly threads: number;
  readonly options: Omit<LayerOptions, 'packers'>;
};

/** Listed once. When that gives what the last build listed, its layers are taken, which were read and checked meanwhile. */
async function buildParts(planned: PlannedImage, layer: PlannedLayer, tree: Tree, shared: Shared): Promise<readonly BuiltLayer[]> {
  const { most, packers, threads, options } = shared;
  const { cache, context, readFrom, layout } = options;
  const start = performance.now();
  const compressor = compressorOf(options.compression);
  const place = placeOf(options.image, layer, undefined, compressor);
  const checking = cache?.lastParts(place);
  const [listed, checked] = await Promise.allSettled([list(planned, layer, tree, context, checking ? undefined : packers), checking]);
  if (listed.status === 'rejected') throw listed.reason;
  if (checked.status === 'rejected') throw checked.reason;
  const entries = listed.value;
  const key = cache && metadataKey(entries, [packing, compressor, JSON.stringify([tarOptions(layer, context), layer.split, most])]);
  const kept = checked.value;
  if (kept && key && kept.key === key.key) {
    await cache.put(kept, layout);
    return kept.parts.map((part) => told(layer, part, context, performance.now() - start));
  }
  const parts = layer.split === false ? [{ entries }] : splitEntries(entries, most);
  if (parts.length > 1) packers.start();
  const own = { ...options, packers: parts.length > 1 ? packers : undefined };
  const made = await inOrder(parts, threads, (part) => buildLayer(layer, part, own));
  if (cache && key) await cache.keepParts(place, keptParts(key, made), { changedAt: key.changedAt, readFrom });
  return made;
}

function keptParts({ key }: MetadataKey, made: readonly BuiltLayer[]): KeptParts {
  return { key, parts: made.map(({ diffId, digest, size, part }) => ({ diffId, digest, size, name: part })) };
}

function told(
  { from, to, platform }: PlannedLayer,
  { name, diffId, digest, size }: KeptParts['parts'][number],
  context: BuildContext,
  milliseconds: number,
): BuiltLayer {
  const layer: BuiltLayer = { diffId, digest, size, from, to, ...(name !== undefined && { part: name }), ...(platform && { platform }) };
  context.onProgress({ kind: 'layer', layer, cached: true, milliseconds });
  return layer;
}

/** @param packers started as soon as there is clearly work for them */
async function list(planned: PlannedImage, layer: PlannedLayer, tree: Tree, context: BuildContext, packers: Packers | undefined) {
  const limits = { ...defaultLimits, ...context.limits };
  const entries: LayerEntry[] = [];
  let bytes = 0;
  for (const entry of walk(tree, { from: layer.from, to: layer.to, parents: planned.base === 'scratch', limits })) {
    entries.push(entry);
    if (entry.type === 'file') bytes += entry.file.size;
    if (entries.length % bite !== 0) continue;
    if (bytes >= worthThreads && layer.split !== false) packers?.start();
    await setImmediate();
    context.signal.throwIfAborted();
  }
  return entries;
}

/** Results in the order of the items; the largest are begun first, a few at a time. When one fails, the others have ended before this throws. */
async function inOrder<R>(items: readonly LayerPart[], atOnce: number, work: (item: LayerPart) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = [...items.entries()].sort(([, a], [, b]) => bytesOf(b) - bytesOf(a));
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) results[next[0]] = await work(next[1]);
  };
  const ends = await Promise.allSettled(Array.from({ length: atOnce }, worker));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  return results;
}

function bytesOf({ entries }: LayerPart): number {
  return entries.reduce((sum, entry) => sum + (entry.type === 'file' ? entry.file.size : 0), 0);
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

function placed(error: unknown, planned: PlannedImage, { from, to }: PlannedLayer): unknown {
  if (!isWaybillError(error, 'NOT_FOUND', 'IMAGE_LAYER_INVALID', 'LIMIT_EXCEEDED')) return error;
  return new WaybillError(error.code, `layer ${from} → ${to} of image ${planned.name}: ${error.detail}`, { cause: error, fix: error.fix });
}
