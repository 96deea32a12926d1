import { z } from 'zod';
import { digestOf, isDigest, type Digest } from '../kernel/digest.ts';
import { WaybillError, messageOf } from '../kernel/error.ts';
import { ambiguityOf } from './ambiguous-names.ts';
import { contentDigestOf, isContentDigest, type ContentDigest, type DigestAlgorithm } from './content-digest.ts';
import { dockerIndex, dockerManifest, isImageMediaType, isIndexMediaType, ociIndex, ociManifest } from './media-types.ts';

/** Largest manifest that is read or taken, in bytes (distribution-spec: at least 4 MiB should be accepted). */
export const maxManifestBytes = 4 * 1024 * 1024;

const mediaTypeSchema = z
  .string()
  .max(255)
  .regex(/^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/, 'is not a media type');
const annotationsSchema = z.record(z.string(), z.string());
const sha256 = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value), 'is not sha256: and 64 hex digits');
const registered = z.custom<ContentDigest>(
  (value) => typeof value === 'string' && isContentDigest(value),
  'is neither sha256: and 64 nor sha512: and 128 hex digits',
);

/** The documents of the image-spec, with the digests that are taken: sha256 for images of ours, all registered ones for the registry. */
function schemasFor<D extends ContentDigest>(digest: z.ZodType<D>) {
  /** image-spec descriptor.md. `size` in bytes. */
  const descriptor = z.object({
    mediaType: mediaTypeSchema,
    digest,
    size: z.int().min(0),
    artifactType: mediaTypeSchema.exactOptional(),
    annotations: annotationsSchema.exactOptional(),
    platform: z
      .object({ architecture: z.string(), os: z.string(), variant: z.string().exactOptional(), 'os.version': z.string().exactOptional() })
      .exactOptional(),
    urls: z.array(z.string()).exactOptional(),
    data: z.string().exactOptional(),
  });
  /** image-spec manifest.md; Docker's manifest v2 schema 2 is the same without subject and artifactType. */
  const image = z.object({
    schemaVersion: z.literal(2),
    mediaType: z.enum([ociManifest, dockerManifest]).exactOptional(),
    artifactType: mediaTypeSchema.exactOptional(),
    config: descriptor,
    layers: z.array(descriptor).max(5_000),
    subject: descriptor.exactOptional(),
    annotations: annotationsSchema.exactOptional(),
  });
  /** image-spec image-index.md; Docker's manifest list is the same. */
  const index = z.object({
    schemaVersion: z.literal(2),
    mediaType: z.enum([ociIndex, dockerIndex]).exactOptional(),
    artifactType: mediaTypeSchema.exactOptional(),
    manifests: z.array(descriptor).max(5_000),
    subject: descriptor.exactOptional(),
    annotations: annotationsSchema.exactOptional(),
  });
  return { descriptor, image, index };
}
type Schemas<D extends ContentDigest> = ReturnType<typeof schemasFor<D>>;
const ours = schemasFor<Digest>(sha256);
const anyones = schemasFor<ContentDigest>(registered);

export const descriptorSchema = ours.descriptor;
export type Descriptor = z.infer<Schemas<Digest>['descriptor']>;
export type ImageManifest = z.infer<Schemas<Digest>['image']>;
export type ImageIndex = z.infer<Schemas<Digest>['index']>;
export type WireDescriptor = z.infer<Schemas<ContentDigest>['descriptor']>;

type ManifestOf<D extends ContentDigest> = { readonly mediaType: string; readonly digest: D; readonly size: number } & (
  | { readonly kind: 'image'; readonly image: z.infer<Schemas<D>['image']> }
  | { readonly kind: 'index'; readonly index: z.infer<Schemas<D>['index']> }
);
/** A parsed manifest with the bytes' own digest, so that it cannot be taken for another one. */
export type Manifest = ManifestOf<Digest>;
/** A manifest of anybody's, as a registry keeps it: with every registered digest algorithm. */
export type WireManifest = ManifestOf<ContentDigest>;

/**
 * Reads a manifest. Its kind comes from the declared media type (argument, then the `mediaType` field) and must agree with the
 * content: a document that is both an image and an index is refused (CVE-2021-41190).
 * @throws WaybillError INVALID_INPUT, LIMIT_EXCEEDED
 */
export function parseManifest(bytes: Uint8Array, declaredType?: string): Manifest {
  return parse(bytes, declaredType, ours, digestOf);
}

/** The same for a registry: any registered digest is taken, and the manifest's own is of `algorithm`. */
export function parseWireManifest(bytes: Uint8Array, declaredType: string | undefined, algorithm: DigestAlgorithm): WireManifest {
  return parse(bytes, declaredType, anyones, (content) => contentDigestOf(content, algorithm));
}

function parse<D extends ContentDigest>(
  bytes: Uint8Array,
  declaredType: string | undefined,
  schemas: Schemas<D>,
  digest: (content: Uint8Array) => D,
): ManifestOf<D> {
  if (bytes.byteLength > maxManifestBytes)
    throw new WaybillError('LIMIT_EXCEEDED', `The manifest has ${bytes.byteLength} bytes; at most ${maxManifestBytes} are read`);
  const value = parseJson(bytes);
  if ('manifests' in value && ('layers' in value || 'config' in value)) throw invalid('it is both an image and an index');
  const inner = typeof value['mediaType'] === 'string' ? value['mediaType'] : undefined;
  const mediaType = declaredType ?? inner ?? ('manifests' in value ? ociIndex : ociManifest);
  if (inner !== undefined && inner !== mediaType)
    throw invalid(`its mediaType is ${JSON.stringify(inner)}, it was declared as ${JSON.stringify(mediaType)}`);
  const identity = { mediaType, digest: digest(bytes), size: bytes.byteLength };
  if (isImageMediaType(mediaType)) return { ...identity, kind: 'image', image: check(schemas.image, value) };
  if (isIndexMediaType(mediaType)) return { ...identity, kind: 'index', index: check(schemas.index, value) };
  throw invalid(`the media type ${JSON.stringify(mediaType.slice(0, 200))} is not one of an OCI or Docker v2 manifest or index`);
}

/** What a manifest names: config and layers of an image, members of an index; without the subject. */
export function childrenOf(manifest: Manifest): readonly Descriptor[];
export function childrenOf(manifest: WireManifest): readonly WireDescriptor[];
export function childrenOf(manifest: WireManifest): readonly WireDescriptor[] {
  return manifest.kind === 'image' ? [manifest.image.config, ...manifest.image.layers] : manifest.index.manifests;
}

export function subjectOf(manifest: WireManifest): WireDescriptor | undefined {
  return manifest.kind === 'image' ? manifest.image.subject : manifest.index.subject;
}

/** distribution-spec "Listing Referrers": artifactType, else the config's media type for an image manifest. */
export function artifactTypeOf(manifest: WireManifest): string | undefined {
  return manifest.kind === 'image' ? (manifest.image.artifactType ?? manifest.image.config.mediaType) : manifest.index.artifactType;
}

export function annotationsOf(manifest: WireManifest): Readonly<Record<string, string>> | undefined {
  return manifest.kind === 'image' ? manifest.image.annotations : manifest.index.annotations;
}

function parseJson(bytes: Uint8Array): Record<string, unknown> {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text, withoutNull);
  } catch (cause) {
    throw invalid(`it is not JSON in UTF-8 (${messageOf(cause)})`, cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('it is not a JSON object');
  const ambiguity = ambiguityOf(text);
  if (ambiguity !== undefined) throw invalid(ambiguity);
  return value as Record<string, unknown>;
}

/** Programs in Go write what they leave out as null (`"data": null`), OCI's conformance suite among them; it says as little as nothing. */
function withoutNull(this: unknown, _key: string, value: unknown): unknown {
  return value === null && !Array.isArray(this) ? undefined : value;
}

function check<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw invalid(`${issue?.path.join('.') || 'the document'}: ${issue?.message ?? 'is wrong'}`);
}

function invalid(why: string, cause?: unknown): WaybillError {
  return new WaybillError('INVALID_INPUT', `This is not a manifest that can be used: ${why}`, cause === undefined ? {} : { cause });
}
