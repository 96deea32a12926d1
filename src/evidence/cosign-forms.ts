import { digestOf, hexOf, type Digest } from '../kernel/digest.ts';
import { ociConfig, ociEmpty, ociIndex, ociManifest } from '../oci/media-types.ts';
import { bundleMediaType, rawEnvelope, type Paper } from './bundle.ts';
import type { SigningKey } from './keys.ts';
import type { ImageSubject } from './subjects.ts';

/** Something to push: blobs first, then the manifest, under `tag` if there is one (else by its digest). */
export type Push = {
  readonly tag?: string;
  readonly manifest: { readonly mediaType: string; readonly digest: Digest; readonly content: string };
  readonly blobs: readonly { readonly digest: Digest; readonly content: string }[];
};

type Layer = { readonly mediaType: string; readonly content: string; readonly annotations?: Readonly<Record<string, string>> };

/** cosign's simple signing payload and its signature: the content of the `.sig` tag. Only the attestor makes one, with the summary. */
export type SimpleSignature = { readonly payload: string; readonly signature: string };

export const simpleSigningMediaType = 'application/vnd.dev.cosign.simplesigning.v1+json';
export const dsseMediaType = 'application/vnd.dsse.envelope.v1+json';

/** @param reference `host/shop/shop`, what cosign shows as docker-reference */
export function signSimple(image: ImageSubject, reference: string, key: SigningKey): SimpleSignature {
  const payload = JSON.stringify({
    critical: {
      identity: { 'docker-reference': reference },
      image: { 'docker-manifest-digest': image.digest },
      type: 'cosign container image signature',
    },
    optional: null,
  });
  return { payload, signature: key.sign(Buffer.from(payload)).toString('base64') };
}

/** The manifest of `sha256-<hex>.sig` (sigstore/cosign specs/SIGNATURE_SPEC.md). */
export function signatureTag(image: Digest, signatures: readonly SimpleSignature[]): Push {
  return tagged(
    `sha256-${hexOf(image)}.sig`,
    signatures.map(({ payload, signature }) => ({
      mediaType: simpleSigningMediaType,
      content: payload,
      annotations: { 'dev.cosignproject.cosign/signature': signature },
    })),
  );
}

/** The manifest of `sha256-<hex>.att` (sigstore/cosign specs/ATTESTATION_SPEC.md): all papers of the image, one layer each. */
export function attestationTag(image: Digest, papers: readonly Pick<Paper, 'bundle' | 'predicateType'>[]): Push {
  return tagged(
    `sha256-${hexOf(image)}.att`,
    papers.map((paper) => ({
      mediaType: dsseMediaType,
      content: rawEnvelope(paper.bundle),
      annotations: { 'dev.cosignproject.cosign/signature': '', predicateType: paper.predicateType },
    })),
  );
}

function tagged(tag: string, layers: readonly Layer[]): Push {
  const config = JSON.stringify({
    architecture: '',
    created: '0001-01-01T00:00:00Z',
    config: {},
    history: layers.map(() => ({ created: '0001-01-01T00:00:00Z' })),
    os: '',
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => digestOf(layer.content)) },
  });
  return { tag, ...push({ mediaType: ociConfig, content: config }, layers, {}) };
}

/** A paper as an OCI 1.1 referrer of the image, the way cosign 3 writes its own. Pushed by digest. */
export function referrer(
  paper: Paper,
  image: { readonly mediaType: string; readonly digest: Digest; readonly size: number },
  created: Date,
): Push {
  const { mediaType, digest, size } = image;
  return push({ mediaType: ociEmpty, content: '{}' }, [{ mediaType: bundleMediaType, content: paper.bundle }], {
    artifactType: bundleMediaType,
    subject: { mediaType, digest, size },
    annotations: {
      'dev.sigstore.bundle.content': 'dsse-envelope',
      'dev.sigstore.bundle.predicateType': paper.predicateType,
      'org.opencontainers.image.created': created.toISOString(),
    },
  });
}

/** The tag under which a registry without the referrers API keeps an image's referrers (distribution-spec 1.1). */
export function fallbackTag(image: Digest): string {
  return `sha256-${hexOf(image)}`;
}

/** The referrers of an image as one index, for `fallbackTag`. Written whole by the one writer; whatever `others` had stays. */
export function fallbackIndex(referrers: readonly Push[], others: readonly { readonly digest: string }[] = []): string {
  const mine = referrers.map(({ manifest }) => {
    const { artifactType, annotations } = JSON.parse(manifest.content) as { artifactType?: string; annotations?: object };
    return { mediaType: manifest.mediaType, digest: manifest.digest, size: Buffer.byteLength(manifest.content), artifactType, annotations };
  });
  const known = new Set<string>(mine.map((descriptor) => descriptor.digest));
  const manifests = [...others.filter((other) => !known.has(other.digest)), ...mine];
  return JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests });
}

function push(config: Layer, layers: readonly Layer[], rest: object): Push {
  const content = JSON.stringify({
    schemaVersion: 2,
    mediaType: ociManifest,
    config: descriptor(config),
    layers: layers.map(descriptor),
    ...rest,
  });
  return {
    manifest: { mediaType: ociManifest, digest: digestOf(content), content },
    blobs: [config, ...layers].map((blob) => ({ digest: digestOf(blob.content), content: blob.content })),
  };
}

function descriptor({ mediaType, content, annotations }: Layer): object {
  return { mediaType, size: Buffer.byteLength(content), digest: digestOf(content), ...(annotations && { annotations }) };
}
