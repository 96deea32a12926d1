import type { Digest } from '../../kernel/digest.ts';
import { annotationsOf } from '../../oci/manifest.ts';
import { platformsOf, platformText, type ImageReader } from './image-reader.ts';

/** What an image says about itself, with nothing of its files. Sizes are bytes of the compressed blobs. */
export type ImageDescription = {
  readonly name: string;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly platforms: readonly {
    readonly platform: string;
    readonly digest: Digest;
    readonly created?: string;
    readonly size: number;
    readonly layers: readonly { readonly digest: Digest; readonly diffId: Digest; readonly size: number; readonly mediaType: string }[];
    readonly config: Readonly<Record<string, unknown>>;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
    readonly history: readonly string[];
  }[];
  /** Papers and other artifacts about the image; undefined when they were not asked for or nobody can be asked. */
  readonly referrers?: readonly { readonly digest: Digest; readonly artifactType: string; readonly about: string }[];
};

/** @throws WaybillError INVALID_INPUT when it is no image of files, DIGEST_MISMATCH, REGISTRY_FAILED */
export async function inspectImage(reader: ImageReader): Promise<ImageDescription> {
  const referrers = await reader.referrers?.();
  const platforms = await platformsOf(reader);
  return {
    name: reader.name,
    digest: reader.top.digest,
    mediaType: reader.top.mediaType,
    annotations: annotationsOf(reader.top) ?? {},
    platforms: platforms.map(({ platform, manifest, config, rawConfig }) => ({
      platform: platformText(platform),
      digest: manifest.digest,
      ...(typeof rawConfig['created'] === 'string' ? { created: rawConfig['created'] } : {}),
      size: manifest.image.layers.reduce((sum, layer) => sum + layer.size, 0),
      layers: manifest.image.layers.map((layer, index) => ({
        digest: layer.digest,
        diffId: config.rootfs.diff_ids[index] ?? layer.digest,
        size: layer.size,
        mediaType: layer.mediaType,
      })),
      config: { ...(rawConfig['config'] as object | null | undefined) },
      labels: config.config?.Labels ?? {},
      annotations: manifest.image.annotations ?? {},
      history: (config.history ?? []).map((step) => step.created_by ?? step.comment ?? ''),
    })),
    ...(referrers && {
      referrers: referrers.map(({ digest, artifactType, annotations }) => ({
        digest,
        artifactType: artifactType ?? 'unknown',
        about: annotations?.['dev.sigstore.bundle.predicateType'] ?? '',
      })),
    }),
  };
}
