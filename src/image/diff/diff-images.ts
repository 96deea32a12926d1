import { isDeepStrictEqual } from 'node:util';
import type { Digest } from '../../kernel/digest.ts';
import { annotationsOf } from '../../oci/manifest.ts';
import { platformsOf, platformText, type ImageReader, type PlatformImage } from '../inspect/image-reader.ts';
import { diffLayers, type LayerDifference } from './diff-layers.ts';
import { readLayer } from './read-layer.ts';

export type ValueDifference = { readonly path: string; readonly from?: unknown; readonly to?: unknown };

export type LayerComparison = {
  /** 0 is the lowest. */
  readonly index: number;
  readonly from?: { readonly digest: Digest; readonly diffId: Digest; readonly size: number };
  readonly to?: { readonly digest: Digest; readonly diffId: Digest; readonly size: number };
  /** `compressed-otherwise`: the same tar in another blob. */
  readonly verdict: 'same' | 'compressed-otherwise' | 'differs' | 'added' | 'removed';
  readonly difference?: LayerDifference;
};

export type PlatformComparison = {
  readonly platform: string;
  readonly verdict: 'same' | 'differs' | 'added' | 'removed';
  readonly config: readonly ValueDifference[];
  readonly annotations: readonly ValueDifference[];
  readonly layers: readonly LayerComparison[];
};

export type ImageComparison = {
  readonly from: { readonly name: string; readonly digest: Digest };
  readonly to: { readonly name: string; readonly digest: Digest };
  readonly same: boolean;
  /** Annotations of an index; those of an image stand with its platform. */
  readonly annotations: readonly ValueDifference[];
  readonly platforms: readonly PlatformComparison[];
  /** The first layer, from below, whose files differ, with the first of these files. */
  readonly first?: { readonly platform: string; readonly layer: number; readonly path: string; readonly what: string };
};

/**
 * Compares two images, platform by platform: configuration, annotations, and layer by layer. Only layers whose diffIDs differ are read.
 * @throws WaybillError INVALID_INPUT, LIMIT_EXCEEDED, and whatever the readers throw
 */
export async function diffImages(
  from: ImageReader,
  to: ImageReader,
  options: { readonly signal: AbortSignal; readonly onLayer?: (platform: string, index: number) => void },
): Promise<ImageComparison> {
  const identity = { from: { name: from.name, digest: from.top.digest }, to: { name: to.name, digest: to.top.digest } };
  if (from.top.digest === to.top.digest) return { ...identity, same: true, annotations: [], platforms: [] };
  const before = byPlatform(await platformsOf(from));
  const after = byPlatform(await platformsOf(to));
  const platforms: PlatformComparison[] = [];
  for (const platform of new Set([...before.keys(), ...after.keys()])) {
    const [one, other] = [before.get(platform), after.get(platform)];
    if (one && other) platforms.push(await diffPlatform(platform, { from, image: one }, { from: to, image: other }, options));
    else platforms.push({ platform, verdict: one ? 'removed' : 'added', config: [], annotations: [], layers: [] });
  }
  const annotations =
    from.top.kind === 'index' || to.top.kind === 'index' ? diffValues(annotationsOf(from.top), annotationsOf(to.top)) : [];
  const first = firstDifference(platforms);
  return { ...identity, same: false, annotations, platforms, ...(first ? { first } : {}) };
}

type Side = { readonly from: ImageReader; readonly image: PlatformImage };

async function diffPlatform(
  platform: string,
  before: Side,
  after: Side,
  options: Parameters<typeof diffImages>[2],
): Promise<PlatformComparison> {
  const layers: LayerComparison[] = [];
  const count = Math.max(before.image.manifest.image.layers.length, after.image.manifest.image.layers.length);
  for (let index = 0; index < count; index++) {
    const [one, other] = [layerOf(before.image, index), layerOf(after.image, index)];
    const sides = { index, ...(one && { from: shown(one) }), ...(other && { to: shown(other) }) };
    if (!one || !other) layers.push({ ...sides, verdict: one ? 'removed' : 'added' });
    else if (one.diffId === other.diffId)
      layers.push({ ...sides, verdict: one.descriptor.digest === other.descriptor.digest ? 'same' : 'compressed-otherwise' });
    else {
      options.onLayer?.(platform, index);
      const read = async ({ from }: Side, { descriptor }: Layer) =>
        readLayer(await from.blob(descriptor), descriptor.mediaType, options.signal);
      layers.push({ ...sides, verdict: 'differs', difference: diffLayers(await read(before, one), await read(after, other)) });
    }
  }
  const [oldConfig, newConfig] = [before, after].map(({ image }) => ({ ...image.rawConfig, rootfs: undefined }));
  return {
    platform,
    verdict: before.image.manifest.digest === after.image.manifest.digest ? 'same' : 'differs',
    config: diffValues(oldConfig, newConfig),
    annotations: diffValues(before.image.manifest.image.annotations, after.image.manifest.image.annotations),
    layers,
  };
}

type Layer = { readonly descriptor: PlatformImage['manifest']['image']['layers'][number]; readonly diffId: Digest };

function layerOf({ manifest, config }: PlatformImage, index: number): Layer | undefined {
  const [descriptor, diffId] = [manifest.image.layers[index], config.rootfs.diff_ids[index]];
  return descriptor && diffId ? { descriptor, diffId } : undefined;
}

function shown({ descriptor, diffId }: Layer) {
  return { digest: descriptor.digest, diffId, size: descriptor.size };
}

function byPlatform(images: readonly PlatformImage[]): Map<string, PlatformImage> {
  return new Map(images.map((image) => [platformText(image.platform), image]));
}

/** Leaves that differ, by their path (`config.Env.0`); what one side lacks is undefined there. */
function diffValues(from: unknown, to: unknown, path = ''): ValueDifference[] {
  if (isDeepStrictEqual(from, to)) return [];
  if (isContainer(from) && isContainer(to) && Array.isArray(from) === Array.isArray(to)) {
    return [...new Set([...Object.keys(from), ...Object.keys(to)])].flatMap((key) =>
      diffValues(from[key], to[key], path === '' ? key : `${path}.${key}`),
    );
  }
  if (from === undefined && isContainer(to)) return diffValues({}, to, path);
  if (to === undefined && isContainer(from)) return diffValues(from, {}, path);
  return [{ path, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }];
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function firstDifference(platforms: readonly PlatformComparison[]): ImageComparison['first'] {
  for (const { platform, layers } of platforms) {
    for (const { index, verdict, difference } of layers) {
      if (verdict === 'added' || verdict === 'removed')
        return {
          platform,
          layer: index,
          path: '',
          what: `the layer is ${verdict === 'added' ? 'in the second image' : 'in the first image'} alone`,
        };
      const file = difference?.files[0];
      if (file) return { platform, layer: index, path: file.path, what: whatDiffers(file) };
      if (difference?.order !== undefined) return { platform, layer: index, path: difference.order, what: 'the order of the files' };
      if (difference?.form) return { platform, layer: index, path: '', what: 'the form of the tar, and no file in it' };
    }
  }
  return undefined;
}

function whatDiffers(file: NonNullable<LayerComparison['difference']>['files'][number]): string {
  return file.kind === 'changed' ? file.aspects.map(({ aspect }) => aspect).join(', ') : file.kind;
}
