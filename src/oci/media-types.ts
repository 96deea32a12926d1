/** Media types of the OCI image-spec 1.1 (media-types.md) and of Docker's image format, version 2 schema 2. */
export const ociManifest = 'application/vnd.oci.image.manifest.v1+json';
export const ociIndex = 'application/vnd.oci.image.index.v1+json';
export const ociConfig = 'application/vnd.oci.image.config.v1+json';
export const ociEmpty = 'application/vnd.oci.empty.v1+json';
export const ociLayerTar = 'application/vnd.oci.image.layer.v1.tar';
export const ociLayerTarGzip = 'application/vnd.oci.image.layer.v1.tar+gzip';
export const ociLayerTarZstd = 'application/vnd.oci.image.layer.v1.tar+zstd';
export const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json';
export const dockerIndex = 'application/vnd.docker.distribution.manifest.list.v2+json';

/** What a client sends in `Accept` when it asks for a manifest. */
export const manifestMediaTypes: readonly string[] = [ociManifest, ociIndex, dockerManifest, dockerIndex];

export function isImageMediaType(mediaType: string): boolean {
  return mediaType === ociManifest || mediaType === dockerManifest;
}

export function isIndexMediaType(mediaType: string): boolean {
  return mediaType === ociIndex || mediaType === dockerIndex;
}
