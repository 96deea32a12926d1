import { digestOf, hexOf, type Digest } from '../kernel/digest.ts';
import type { AttachOptions } from '../oci/client-types.ts';
import { ociConfig, ociManifest } from '../oci/media-types.ts';
import { bundleMediaType, rawEnvelope, type Paper } from './bundle.ts';
import type { SigningKey } from './keys.ts';
import type { ImageSubject } from './subjects.ts';

/** Something to push: blobs first, then the manifest under `tag`. */
export type Push = {
  readonly tag: string;
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
  return push(tag, { mediaType: ociConfig, content: config }, layers);
}

/** A paper as an OCI 1.1 referrer with the annotations of cosign 3: what `RegistryClient.attachReferrer` asks for. */
export function referrerOf(paper: Pick<Paper, 'bundle' | 'predicateType'>, created: Date): AttachOptions {
  return {
    artifactType: bundleMediaType,
    blob: Buffer.from(paper.bundle),
    blobMediaType: bundleMediaType,
    annotations: {
      'dev.sigstore.bundle.content': 'dsse-envelope',
      'dev.sigstore.bundle.predicateType': paper.predicateType,
      'org.opencontainers.image.created': created.toISOString(),
    },
  };
}

function push(tag: string, config: Layer, layers: readonly Layer[]): Push {
  const content = JSON.stringify({
    schemaVersion: 2,
    mediaType: ociManifest,
    config: descriptor(config),
    layers: layers.map(descriptor),
  });
  return {
    tag,
    manifest: { mediaType: ociManifest, digest: digestOf(content), content },
    blobs: [config, ...layers].map((blob) => ({ digest: digestOf(blob.content), content: blob.content })),
  };
}

function descriptor({ mediaType, content, annotations }: Layer): object {
  return { mediaType, size: Buffer.byteLength(content), digest: digestOf(content), ...(annotations && { annotations }) };
}
