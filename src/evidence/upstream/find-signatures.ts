import { buffer } from 'node:stream/consumers';
import { hexOf, type Digest } from '../../kernel/digest.ts';
import { WaybillError, isWaybillError, messageOf } from '../../kernel/error.ts';
import type { RegistryClient } from '../../oci/client-types.ts';
import { artifactTypeOf, type Descriptor } from '../../oci/manifest.ts';
import { simpleSigningMediaType } from '../cosign-forms.ts';
import { signPredicateType, signatureLimits, type FoundSignature } from './found-signature.ts';

export type FoundSignatures = {
  readonly found: readonly FoundSignature[];
  /** What could not be asked or read, one sentence each: nobody takes it for "there is none". */
  readonly problems: readonly string[];
};

/** Sigstore bundles of every version; which of them is read is decided when they are verified. */
const bundleType = /^application\/vnd\.dev\.sigstore\.bundle(?:[.+;]|$)/;
const signatureAnnotation = 'dev.cosignproject.cosign/signature';
const certificateAnnotation = 'dev.sigstore.cosign/certificate';
const predicateAnnotation = 'dev.sigstore.bundle.predicateType';

/**
 * Looks where upstreams keep signatures of an image: cosign's tag, and referrers (the API, or the tag `sha256-<hex>` where there is none). What the
 * upstream answers is hostile until it is verified: everything has a limit, and what goes wrong is told, never thrown.
 * @throws whatever aborted `signal`
 */
export async function findSignatures(
  client: RegistryClient,
  repository: string,
  digest: Digest,
  signal: AbortSignal,
): Promise<FoundSignatures> {
  const found: FoundSignature[] = [];
  const problems: string[] = [];
  for (const look of [fromTag, fromReferrers])
    try {
      await look({ client, repository, digest, signal, found, problems });
    } catch (error) {
      signal.throwIfAborted();
      if (!isWaybillError(error)) throw error;
      problems.push(`its ${look === fromTag ? 'tag of signatures' : 'list of referrers'} could not be read: ${error.detail.slice(0, 300)}`);
    }
  return { found, problems };
}

type Looking = {
  readonly client: RegistryClient;
  readonly repository: string;
  readonly digest: Digest;
  readonly signal: AbortSignal;
  readonly found: FoundSignature[];
  readonly problems: string[];
};

async function fromTag(looking: Looking): Promise<void> {
  const { client, repository, digest, signal, found, problems } = looking;
  const tag = `sha256-${hexOf(digest)}.sig`;
  if (!(await client.resolve(repository, tag, signal))) return;
  const { manifest } = await client.getManifest(repository, tag, signal);
  if (manifest.kind !== 'image') throw new WaybillError('INVALID_INPUT', 'it is an index');
  for (const layer of manifest.image.layers) {
    const signature = layer.annotations?.[signatureAnnotation];
    if (layer.mediaType !== simpleSigningMediaType || signature === undefined) continue;
    const payload = await readSmall(looking, layer, signatureLimits.payloadBytes, 'a signature');
    if (!payload || full(found, problems)) continue;
    const keyless = layer.annotations?.[certificateAnnotation] !== undefined;
    found.push({ form: 'cosign-tag', payload: payload.toString('base64'), signature: signature.slice(0, 4_096), keyless });
  }
}

async function fromReferrers(looking: Looking): Promise<void> {
  const { client, repository, digest, signal, found, problems } = looking;
  // Not asked for by type: cosign 3 writes another one into the index of the tag than into the manifest.
  const referrers = await client.listReferrers(repository, digest, { signal });
  if (referrers.length > signatureLimits.referrers)
    problems.push(`of its ${referrers.length} referrers the first ${signatureLimits.referrers} were looked at`);
  for (const referrer of referrers.slice(0, signatureLimits.referrers)) {
    const { manifest } = await client.getManifest(repository, referrer.digest, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      problems.push(`the referrer ${referrer.digest.slice(0, 19)}… could not be read: ${messageOf(error).slice(0, 200)}`);
      return { manifest: undefined };
    });
    if (manifest?.kind !== 'image' || !bundleType.test(artifactTypeOf(manifest) ?? '')) continue;
    // A wrong annotation hides a signature, and makes none.
    const predicate = manifest.image.annotations?.[predicateAnnotation];
    if (predicate !== undefined && predicate !== signPredicateType) continue;
    for (const layer of manifest.image.layers.filter((each) => bundleType.test(each.mediaType))) {
      const bytes = await readSmall(looking, layer, signatureLimits.bundleBytes, 'a bundle');
      if (bytes && !full(found, problems)) found.push({ form: 'bundle', text: bytes.toString('utf8') });
    }
  }
}

async function readSmall(
  { client, repository, signal, problems }: Looking,
  blob: Descriptor,
  maxBytes: number,
  what: string,
): Promise<Buffer | undefined> {
  if (blob.size > maxBytes) {
    problems.push(`${what} of ${blob.size} bytes is larger than ${maxBytes} and was not read`);
    return undefined;
  }
  try {
    return await buffer(await client.getBlob(repository, blob, signal));
  } catch (error) {
    signal.throwIfAborted();
    problems.push(`${what} could not be read: ${messageOf(error).slice(0, 200)}`);
    return undefined;
  }
}

function full(found: readonly FoundSignature[], problems: string[]): boolean {
  if (found.length < signatureLimits.signatures) return false;
  const told = `more than ${signatureLimits.signatures} signatures hang there; the others were not looked at`;
  if (!problems.includes(told)) problems.push(told);
  return true;
}
