import { bundleFromJSON, isBundleWithDsseEnvelope, isBundleWithPublicKey } from '@sigstore/bundle';
import { digestOf, type Digest } from '../kernel/digest.ts';
import { WaybillError, messageOf } from '../kernel/error.ts';
import { decodeBase64, inTotoPayloadType, signEnvelope, type Envelope } from './dsse.ts';
import type { SigningKey } from './keys.ts';
import { subjectsOf, type Statement } from './statement.ts';

/** Sigstore bundle v0.3 (sigstore/protobuf-specs sigstore_bundle.proto), also its artifactType as an OCI referrer. */
export const bundleMediaType = 'application/vnd.dev.sigstore.bundle.v0.3+json';

/** Largest bundle that is read, in characters. */
export const largestBundle = 16 * 1024 * 1024;

/** A signed statement, ready to be recorded and published. `bundle` is the exact text; it is never formatted anew. */
export type Paper = {
  readonly predicateType: string;
  /** `algorithm:value`, see `subjectsOf`. */
  readonly subjects: readonly string[];
  readonly bundle: string;
  /** Of the bundle's text. */
  readonly digest: Digest;
};

/** Signs a statement as a bundle. The same shape as cosign's own; see docs/decisions, the shape of a bundle. */
export function signStatement(statement: Statement<object>, key: SigningKey): Paper {
  const envelope = signEnvelope(inTotoPayloadType, Buffer.from(JSON.stringify(statement)), key);
  const bundle = JSON.stringify({
    mediaType: bundleMediaType,
    verificationMaterial: { publicKey: { hint: key.keyId } },
    dsseEnvelope: envelope,
  });
  return {
    predicateType: statement.predicateType,
    subjects: subjectsOf(statement as Statement),
    bundle,
    digest: digestOf(bundle),
  };
}

/** What a bundle holds, not verified yet. */
export type OpenedBundle = {
  readonly keyId: string;
  readonly payloadType: string;
  readonly payload: Buffer;
  readonly signature: Buffer;
  readonly envelope: Envelope;
};

/**
 * Takes a bundle apart: version 0.3, one DSSE signature, a public key's hint, no `keyid`.
 * @throws WaybillError LIMIT_EXCEEDED, PAPER_MALFORMED
 */
export function openBundle(text: string): OpenedBundle {
  if (text.length > largestBundle) throw new WaybillError('LIMIT_EXCEEDED', `a bundle is larger than ${largestBundle} characters`);
  const { json, bundle } = parse(text);
  if (bundle.mediaType !== bundleMediaType)
    throw new WaybillError(
      'PAPER_MALFORMED',
      `a bundle has the media type ${JSON.stringify(bundle.mediaType.slice(0, 100))}; ${bundleMediaType} is read`,
    );
  if (!isBundleWithDsseEnvelope(bundle) || !isBundleWithPublicKey(bundle))
    throw new WaybillError('PAPER_MALFORMED', 'a bundle holds no DSSE envelope with a public key hint');
  const { payload, payloadType, signatures } = bundle.content.dsseEnvelope;
  const [first] = signatures;
  if (!first || signatures.length !== 1) throw new WaybillError('PAPER_MALFORMED', 'a bundle holds more or less than one signature');
  if (first.keyid !== '') throw new WaybillError('PAPER_MALFORMED', 'a bundle has a keyid at its signature, which other verifiers refuse');
  // The protobuf reader takes any base64; two spellings of one signature must not both pass.
  const envelope = json.dsseEnvelope;
  const sig = envelope?.signatures?.[0]?.sig;
  if (typeof sig !== 'string' || typeof envelope?.payload !== 'string' || !decodeBase64(sig) || !decodeBase64(envelope.payload))
    throw new WaybillError('PAPER_MALFORMED', 'a bundle has payload or signature in other than plain base64');
  return {
    keyId: bundle.verificationMaterial.content.publicKey.hint,
    payloadType,
    payload,
    signature: first.sig,
    envelope: { payload: envelope.payload, payloadType, signatures: [{ sig }] },
  };
}

type LooseBundle = { readonly dsseEnvelope?: { readonly payload?: unknown; readonly signatures?: readonly { readonly sig?: unknown }[] } };

function parse(text: string): { json: LooseBundle; bundle: ReturnType<typeof bundleFromJSON> } {
  try {
    const json: unknown = JSON.parse(text);
    return { json: json as LooseBundle, bundle: bundleFromJSON(json) };
  } catch (cause) {
    throw new WaybillError('PAPER_MALFORMED', `not a Sigstore bundle: ${messageOf(cause).slice(0, 300)}`, { cause });
  }
}

/** The DSSE envelope alone, as JSON: the form that slsa-verifier reads a VSA in. */
export function rawEnvelope(bundle: string): string {
  return JSON.stringify(openBundle(bundle).envelope);
}
