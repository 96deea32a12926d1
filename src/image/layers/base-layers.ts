import { digestOf } from '../../kernel/digest.ts';
import { WaybillError, messageOf } from '../../kernel/error.ts';
import type { Descriptor } from '../../oci/manifest.ts';
import { ociLayerTar, ociLayerTarGzip, ociLayerTarZstd } from '../../oci/media-types.ts';
import type { BaseImage } from './build-context.ts';
import { imageConfigSchema, type ImageConfigFile } from './image-config.ts';
import { formatPlatform, suits, type Platform } from './platform.ts';

/** Docker's names for the same bytes; layers that may not be distributed have none, and are refused. */
const ociNames: Readonly<Record<string, string>> = {
  'application/vnd.docker.image.rootfs.diff.tar': ociLayerTar,
  'application/vnd.docker.image.rootfs.diff.tar.gzip': ociLayerTarGzip,
  [ociLayerTar]: ociLayerTar,
  [ociLayerTarGzip]: ociLayerTarGzip,
  [ociLayerTarZstd]: ociLayerTarZstd,
};

/**
 * What of a base image goes into ours: its configuration, and its layers under their OCI names.
 * @throws WaybillError IMAGE_BASE_INVALID when it is for another platform, is not what its manifest says, or is no plain image
 */
export function readBase(
  reference: string,
  base: BaseImage,
  platform: Platform,
): { config: ImageConfigFile; layers: readonly Descriptor[] } {
  const refuse = (why: string, cause?: unknown): WaybillError => new WaybillError('IMAGE_BASE_INVALID', `${reference}: ${why}`, { cause });
  const { manifest } = base;
  if (digestOf(base.config) !== manifest.config.digest) throw refuse('its configuration is not the one that its manifest names');
  const config = parse(base.config, refuse);
  if (!suits(config, platform)) throw refuse(`it is for ${formatPlatform(config)}, and the image for ${formatPlatform(platform)}`);
  if (config.rootfs.diff_ids.length !== manifest.layers.length)
    throw refuse('its manifest and its configuration differ in their number of layers');
  const layers = manifest.layers.map(({ mediaType, digest, size }) => {
    const name = ociNames[mediaType];
    if (name === undefined) throw refuse(`a layer has the media type ${mediaType}`);
    return { mediaType: name, digest, size };
  });
  return { config, layers };
}

function parse(bytes: Uint8Array, refuse: (why: string, cause?: unknown) => WaybillError): ImageConfigFile {
  try {
    return imageConfigSchema.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)));
  } catch (error) {
    throw refuse(`its configuration cannot be read: ${messageOf(error)}`, error);
  }
}
