import type { Readable } from 'node:stream';
import type { Digest } from '../../kernel/digest.ts';
import { WaybillError } from '../../kernel/error.ts';
import { platformsOf, platformText, type ImageReader } from './image-reader.ts';

/** An image as scanners look at it (`scan/image/layered-image.ts`): its platforms, their configurations and layers. */
export type ImageLayers = {
  readonly name: string;
  readonly digest: Digest;
  readonly platforms: readonly {
    readonly platform: string;
    readonly user: string | undefined;
    readonly configText: string;
    readonly layers: readonly {
      readonly digest: Digest;
      readonly mediaType: string;
      /** In bytes, as it is stored. */
      readonly size: number;
      readonly createdBy: string;
      open(): Promise<Readable>;
    }[];
  }[];
};

/**
 * All that a runtime could start of it.
 * @throws WaybillError INVALID_INPUT for what is no image of files, or has a part that is none and not marked as no image
 */
export async function layersOf(reader: ImageReader): Promise<ImageLayers> {
  const platforms = await platformsOf(reader);
  if (reader.top.kind === 'index') {
    // Runtimes choose by platform alone, and some look into an index in an index: what `platformsOf` leaves out must not be such a part.
    const known = new Set(platforms.map(({ manifest }) => manifest.digest));
    const left = reader.top.index.manifests.find(({ digest, platform }) => !known.has(digest) && platform?.os !== 'unknown');
    if (left) throw new WaybillError('INVALID_INPUT', `${reader.name} has a part ${left.digest} that is no image of files and may be run`);
  }
  if (platforms.length === 0) throw new WaybillError('INVALID_INPUT', `${reader.name} has no image for any platform`);
  return {
    name: reader.name,
    digest: reader.top.digest,
    platforms: platforms.map(({ platform, manifest, config, rawConfig }) => {
      // One line of history for each layer, if its author kept to the specification (image-spec config.md, "history").
      const history = (config.history ?? []).filter((line) => line.empty_layer !== true);
      const named = history.length === manifest.image.layers.length;
      return {
        platform: platformText(platform),
        user: config.config?.User,
        configText: JSON.stringify(rawConfig, null, 1),
        layers: manifest.image.layers.map((layer, index) => ({
          digest: layer.digest,
          mediaType: layer.mediaType,
          size: layer.size,
          createdBy: (named ? history[index]?.created_by : undefined) ?? `layer ${index + 1} of ${manifest.image.layers.length}`,
          open: () => reader.blob(layer),
        })),
      };
    }),
  };
}
