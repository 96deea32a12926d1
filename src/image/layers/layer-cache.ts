import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf, hexOf, type Digest } from '../../kernel/digest.ts';
import { isWaybillError } from '../../kernel/error.ts';
import { createLayout, type Layout } from '../../oci/layout.ts';
import type { Descriptor } from '../../oci/manifest.ts';
import { compressor } from './gzip.ts';

const diffIdAnnotation = 'dev.waybill.layer.diff-id';
const mostKept = 4;

/**
 * Compressed layers of earlier builds, so that an unchanged one is only hashed. One OCI layout for each place in an image; what comes
 * out is checked against its digest. Only builds of merged commits write here: nothing that an unreviewed change made can be in it.
 */
export type LayerCache = {
  /** Whether there is anything for this place, so that hashing before compressing may pay. */
  readonly warm: boolean;
  /** Copies the layer into `layout`; undefined when it is not here, or no longer whole. */
  take(diffId: Digest, layout: Layout, signal: AbortSignal): Promise<Descriptor | undefined>;
  keep(diffId: Digest, layer: Descriptor, layout: Layout): Promise<void>;
};

/** @param folder of all caches @param place what the layers are of: equal places share a cache */
export async function openLayerCache(folder: string, place: readonly string[]): Promise<LayerCache> {
  const path = join(folder, hexOf(digestOf(JSON.stringify([compressor, ...place]))));
  let own = await createLayout(path);
  let entries = await own.entries();
  return {
    warm: entries.length > 0,
    async take(diffId, layout, signal) {
      const found = entries.find((entry) => entry.annotations?.[diffIdAnnotation] === diffId);
      if (found === undefined) return undefined;
      try {
        const { mediaType, digest, size } = found;
        return await layout.addBlob(await own.openBlob(digest), mediaType, { expected: { digest, size }, signal });
      } catch (error) {
        if (!isWaybillError(error, 'NOT_FOUND', 'DIGEST_MISMATCH', 'INVALID_INPUT')) throw error;
        return undefined;
      }
    },
    async keep(diffId, layer, layout) {
      if (entries.length >= mostKept) {
        await rm(path, { recursive: true, force: true });
        own = await createLayout(path);
      }
      await own.addBlob(await layout.openBlob(layer.digest), layer.mediaType, { expected: layer });
      await own.addEntry(layer, { [diffIdAnnotation]: diffId });
      entries = await own.entries();
    },
  };
}
