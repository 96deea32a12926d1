import { createHash } from 'node:crypto';
import { closeSync, createWriteStream, openSync, readSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { zstdFrames } from '../../oci/zstd-frames.ts';
import type { Digest } from '../../kernel/digest.ts';
import { WaybillError, messageOf } from '../../kernel/error.ts';
import { openLayout, type Layout } from '../../oci/layout.ts';
import type { Descriptor, ImageManifest } from '../../oci/manifest.ts';
import { ociConfig } from '../../oci/media-types.ts';
import type { BuiltLayer } from '../layers/build-context.ts';
import { compressBlocks, compressorOf, layerMediaTypes, type Compressed, type Compression } from '../layers/compress.ts';
import { imageConfigSchema, seconds, type ImageConfigFile } from '../layers/image-config.ts';
import { openLayerCache } from '../layers/layer-cache.ts';
import { formatPlatform, suits, type Platform } from '../layers/platform.ts';
import { BlockPool, blockSize } from '../layers/tar.ts';

/** A base that the image may stand on: its layers are taken over as they are, byte for byte. */
export type FinishBase = {
  readonly diffIds: readonly Digest[];
  readonly layers: readonly Descriptor[];
  blob(layer: Descriptor): Promise<Readable>;
};

export type FinishInput = {
  /** What the engine made. */
  readonly from: string;
  readonly to: Layout;
  readonly bases: readonly FinishBase[];
  readonly platform: Platform;
  readonly created: Date;
  readonly annotations: Readonly<Record<string, string>>;
  /** How a layer is named in papers and logs, when its history does not say what made it. */
  readonly file: string;
  readonly name: string;
  readonly compression: Compression;
  readonly work: string;
  readonly cache: string | undefined;
  readonly concurrency: number | undefined;
  readonly signal: AbortSignal;
  onLayer(layer: BuiltLayer, cached: boolean, milliseconds: number): void;
};

export type Finished = { readonly manifest: ImageManifest; readonly layers: readonly BuiltLayer[] };

const largestConfig = 4 * 1024 * 1024;
const largestLayer = 32 * 2 ** 30;

/**
 * Makes one of our images of what an engine made: layers checked against their diffIDs and compressed here, so that their bytes do not depend
 * on the engine; those of the base as the base has them; the commit's time, our annotations, and no time of the build anywhere.
 * @throws WaybillError BUILD_FAILED when the engine's result is not an image of this platform, LIMIT_EXCEEDED
 */
export async function finishImage(input: FinishInput): Promise<Finished> {
  const from = await openLayout(input.from);
  const { image, config } = await readResult(from, input);
  const base = longestBase(config.rootfs.diff_ids, input.bases);
  const descriptors: Descriptor[] = [];
  const layers: BuiltLayer[] = [];
  const made = (config.history ?? []).filter((step) => step.empty_layer !== true).map((step) => oneLine(step.created_by ?? ''));
  for (const [index, diffId] of config.rootfs.diff_ids.entries()) {
    const below = base?.layers[index];
    if (base && below && base.diffIds[index] === diffId) {
      await input.to.addBlob(await base.blob(below), below.mediaType, { expected: below, signal: input.signal });
      descriptors.push(below);
      continue;
    }
    const layer = image.layers[index];
    if (!layer) throw new WaybillError('BUILD_FAILED', 'the engine’s image has fewer layers than its configuration says');
    const started = performance.now();
    const { descriptor, cached } = await copyLayer(from, layer, diffId, index, input);
    descriptors.push(descriptor);
    const built = { diffId, digest: descriptor.digest, size: descriptor.size, from: made[index] || `${input.file} #${index}`, to: '/' };
    layers.push(built);
    input.onLayer(built, cached, performance.now() - started);
  }
  const bytes = Buffer.from(JSON.stringify(ownConfig(config, input)));
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: await input.to.addBlob(bytes, ociConfig),
    layers: descriptors,
    annotations: Object.fromEntries(Object.entries(input.annotations).sort(([a], [b]) => (a < b ? -1 : 1))),
  };
  return { manifest, layers };
}

async function readResult(from: Layout, { platform }: FinishInput): Promise<{ image: ImageManifest; config: ImageConfigFile }> {
  const refuse = (why: string, cause?: unknown) =>
    new WaybillError('BUILD_FAILED', `the engine’s result cannot be taken: ${why}`, { cause });
  let [entry, ...more] = await from.entries();
  // BuildKit puts an index around a single image when it adds papers of its own, which it is told not to.
  for (let depth = 0; entry && more.length === 0 && depth < 3; depth++) {
    const manifest = await from.manifest(entry.digest);
    if (manifest.kind === 'index') {
      [entry, ...more] = manifest.index.manifests;
      continue;
    }
    if (manifest.image.config.size > largestConfig) throw refuse('its configuration is too large');
    const bytes = await buffer(await from.openBlob(manifest.image.config.digest));
    let config: ImageConfigFile;
    try {
      config = imageConfigSchema.parse(JSON.parse(bytes.toString('utf8')));
    } catch (error) {
      throw refuse(messageOf(error).slice(0, 300), error);
    }
    if (!suits(config, platform)) throw refuse(`it is for ${formatPlatform(config)}, and not for ${formatPlatform(platform)}`);
    if (config.rootfs.diff_ids.length !== manifest.image.layers.length)
      throw refuse('manifest and configuration differ in their number of layers');
    return { image: manifest.image, config };
  }
  throw refuse('it is not exactly one image');
}

function longestBase(diffIds: readonly Digest[], bases: readonly FinishBase[]): FinishBase | undefined {
  return bases
    .filter((base) => base.diffIds.length <= diffIds.length && base.diffIds.every((diffId, index) => diffId === diffIds[index]))
    .reduce<FinishBase | undefined>((best, base) => (best && best.diffIds.length >= base.diffIds.length ? best : base), undefined);
}

async function copyLayer(from: Layout, layer: Descriptor, diffId: Digest, index: number, input: FinishInput) {
  const { to, signal } = input;
  const file = `${input.work}/layer-${index}.tar`;
  await unpack(from, layer, file, signal);
  const pool = new BlockPool();
  const actual = hashOf(file, pool, signal);
  if (actual !== diffId) throw new WaybillError('BUILD_FAILED', `layer ${index} of the engine’s image is ${actual}, and not ${diffId}`);
  const cache = input.cache === undefined ? undefined : await openLayerCache(input.cache);
  const compressor = compressorOf(input.compression);
  const mediaType = layerMediaTypes[input.compression];
  const cached = await cache?.byDiffId(diffId, compressor, to);
  if (cached) return { descriptor: { mediaType, digest: cached.digest, size: cached.size }, cached: true };
  const done: Compressed = { uncompressedSize: 0 };
  const stream = compressBlocks(blocksOf(file, pool), input.compression, pool, input.concurrency ?? availableParallelism(), signal, done);
  const descriptor = await to.addBlob(Readable.from(stream, { objectMode: false }), mediaType, { signal });
  const { digest, size } = descriptor;
  const place = JSON.stringify([input.name, input.file, index, compressor]);
  await cache?.keep({ diffId, digest, size }, to, { key: undefined, compressor, place, readFrom: 0 });
  return { descriptor, cached: false };
}

async function unpack(from: Layout, layer: Descriptor, file: string, signal: AbortSignal): Promise<void> {
  let bytes = 0;
  async function* counted(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      bytes += chunk.length;
      if (bytes > largestLayer) throw new WaybillError('LIMIT_EXCEEDED', `a layer has more than ${largestLayer} bytes`);
      yield chunk;
    }
  }
  const blob = await from.openBlob(layer.digest);
  const to = createWriteStream(file, { flags: 'wx', mode: 0o600 });
  if (/[+.]gzip$/.test(layer.mediaType)) await pipeline(blob, createGunzip(), counted, to, { signal });
  else if (/[+.]zstd$/.test(layer.mediaType)) await pipeline(blob, zstdFrames, createZstdDecompress(), counted, to, { signal });
  else await pipeline(blob, counted, to, { signal });
}

function hashOf(file: string, pool: BlockPool, signal: AbortSignal): string {
  const hash = createHash('sha256');
  for (const block of blocksOf(file, pool)) {
    signal.throwIfAborted();
    hash.update(block);
    pool.give(block);
  }
  return `sha256:${hash.digest('hex')}`;
}

function* blocksOf(file: string, pool: BlockPool): Generator<Buffer> {
  const fd = openSync(file, 'r');
  try {
    for (;;) {
      const block = pool.take();
      let length = 0;
      for (let read = -1; read !== 0 && length < blockSize;) length += read = readSync(fd, block, length, blockSize - length, null);
      if (length === 0) return;
      yield length === blockSize ? block : block.subarray(0, length);
    }
  } finally {
    closeSync(fd);
  }
}

/** The engine's configuration in one order of keys and with the commit's time; what the schema does not read is dropped. */
function ownConfig({ config, history, rootfs, architecture, os, variant }: ImageConfigFile, { created, bases, annotations }: FinishInput) {
  const time = seconds(created);
  // What the base says of itself (its commit, its source) is not said of this image.
  const labels = Object.entries({ ...config?.Labels, ...annotations }).sort(([a], [b]) => (a < b ? -1 : 1));
  const container = Object.entries({ ...config, Labels: Object.fromEntries(labels) }).filter(
    ([, value]) => value !== undefined && value !== null && value !== '',
  );
  const own = bases.length === 0 ? [] : (longestBase(rootfs.diff_ids, bases)?.diffIds ?? []);
  let below = own.length;
  return {
    created: time,
    architecture,
    os,
    ...(variant === undefined ? {} : { variant }),
    config: Object.fromEntries(container.sort(([a], [b]) => (a < b ? -1 : 1))),
    rootfs,
    history: (history ?? []).map((step) => {
      const ofBase = below > 0;
      if (step.empty_layer !== true) below -= 1;
      // An engine names its own intermediate images in comments: numbers that mean nothing elsewhere.
      const { comment, ...rest } = step;
      return ofBase ? { ...rest, ...(comment === undefined ? {} : { comment }) } : { ...rest, created: time };
    }),
  };
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim().slice(0, 200);
}
