import { randomUUID } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { Readable } from 'node:stream';
import { digestOf, type Digest } from '../../kernel/digest.ts';
import { WaybillError } from '../../kernel/error.ts';
import type { Layout } from '../../oci/layout.ts';
import type { PlannedLayer } from '../../plan/plan.ts';
import type { BuildContext, BuiltLayer } from './build-context.ts';
import { compressBlocks, compressorOf, layerMediaTypes, type Compressed, type Compression } from './compress.ts';
import type { CachedLayer, LayerCache } from './layer-cache.ts';
import { metadataKey } from './metadata-key.ts';
import { runJob } from './pack.ts';
import type { Packers } from './packers.ts';
import type { LayerPart } from './split.ts';
import { BlockPool, tarBlocks, type TarOptions } from './tar.ts';
import type { LayerEntry } from './walk.ts';

/** Changes when equal entries would be packed into other bytes than before. */
export const packing = 'waybill-tar-2';

export type LayerOptions = {
  readonly image: string;
  readonly compression: Compression;
  readonly layout: Layout;
  readonly cache: LayerCache | undefined;
  /** When the walk over the entries began, in milliseconds since the epoch. */
  readonly readFrom: number;
  /** Threads, when several layers are made side by side; else one layer is compressed on all cores. */
  readonly packers: Packers | undefined;
  readonly context: BuildContext;
};

/** Where a layer stands in an image, as the cache remembers it. */
export function placeOf(image: string, { from, to, platform }: PlannedLayer, part: string | undefined, compressor: string): string {
  return JSON.stringify([image, from, to, part, platform, compressor]);
}

export function tarOptions(planned: PlannedLayer, { mtime, created }: BuildContext): TarOptions {
  return { mtime: mtime ?? created, owner: planned.owner ?? { uid: 0, gid: 0 }, modes: planned.modes ?? 'normal' };
}

/** One layer from its entries: from the cache when the files are the same, or when what would be packed is; else packed and compressed. */
export async function buildLayer(planned: PlannedLayer, part: LayerPart, options: LayerOptions): Promise<BuiltLayer> {
  const { compression, layout, cache, context, readFrom, packers } = options;
  const start = performance.now();
  const { from, to, platform } = planned;
  const tar = tarOptions(planned, context);
  const compressor = compressorOf(compression);
  const place = placeOf(options.image, planned, part.name, compressor);
  const key = cache && metadataKey(part.entries, [packing, compressor, JSON.stringify(tar)]);
  const known = await cache?.byMetadata(key, layout);
  let made: CachedLayer | undefined = known;
  // Hashing alone is several times as fast as compressing; where nothing was before, it would only be work done twice.
  const { entries } = part;
  if (!made && cache && (await cache.knows(place))) {
    const job = { kind: 'hash', entries, tar } as const;
    made = await cache.byDiffId(await (packers?.run(job, context.signal) ?? runJob(job)), compressor, layout);
  }
  const cached = made !== undefined;
  made ??= await (packers ? packElsewhere(packers, entries, tar, options) : packHere(entries, tar, options));
  if (!known) await cache?.keep(made, layout, { key, compressor, place, readFrom });
  const layer: BuiltLayer = {
    ...made,
    from,
    to,
    ...(part.name === undefined ? {} : { part: part.name }),
    ...(platform === undefined ? {} : { platform }),
  };
  context.onProgress({ kind: 'layer', layer, cached, milliseconds: performance.now() - start });
  return layer;
}

async function packElsewhere(
  packers: Packers,
  entries: readonly LayerEntry[],
  tar: TarOptions,
  options: LayerOptions,
): Promise<CachedLayer> {
  const { layout, compression, context } = options;
  const out = layout.blobPath(digestOf(randomUUID()));
  try {
    const made = await packers.run({ kind: 'pack', entries, tar, compression, out }, context.signal);
    await rename(out, layout.blobPath(made.digest));
    return made;
  } finally {
    await rm(out, { force: true });
  }
}

async function packHere(entries: readonly LayerEntry[], tar: TarOptions, options: LayerOptions): Promise<CachedLayer> {
  const { layout, compression, context } = options;
  const done: Compressed = { uncompressedSize: 0 };
  const pool = new BlockPool();
  const blocks = tarBlocks(entries, tar, pool);
  const stream = compressBlocks(blocks, compression, pool, context.concurrency ?? availableParallelism(), context.signal, done);
  const content = Readable.from(stream, { objectMode: false });
  const { digest, size } = await layout.addBlob(content, layerMediaTypes[compression], { signal: context.signal });
  const diffId: Digest | undefined = done.diffId;
  if (diffId === undefined) throw new WaybillError('INTERNAL', 'the layer was not read to its end');
  return { diffId, digest, size };
}
