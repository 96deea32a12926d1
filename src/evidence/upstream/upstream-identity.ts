import type { Bundle } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier, type TrustMaterial } from '@sigstore/verify';
import { digestOf, hexOf } from '../../kernel/digest.ts';
import { WaybillError, messageOf } from '../../kernel/error.ts';
import type { KeyId } from '../keys.ts';

/** Who an upstream signs as without a key of its own: a certificate of a Fulcio, with an entry in the transparency log. */
export type UpstreamIdentity = {
  /** Of the three together, in the form of a key's id. */
  readonly keyId: KeyId;
  /** Subject of the certificate: an address, or the workflow of a forge; one `*` at its end stands for any end. */
  readonly identity: string;
  /** Who has seen that it is so: the issuer of the token. */
  readonly issuer: string;
  /** Public keys of Fulcio, of its log and of Rekor, as an administrator has given them. */
  readonly root: TrustMaterial;
};

const largestRoot = 1024 * 1024;

/**
 * @param trustedRoot JSON of a Sigstore trusted root (sigstore_trustroot.proto): Sigstore's own, or that of a company
 * @throws WaybillError INVALID_INPUT
 */
export function parseUpstreamIdentity(input: {
  readonly identity: string;
  readonly issuer: string;
  readonly trustedRoot: string;
}): UpstreamIdentity {
  const { identity, issuer, trustedRoot } = input;
  const refused = (why: string) =>
    new WaybillError('INVALID_INPUT', why, {
      fix: 'Give --identity, --issuer and --trusted-root together; `cosign trusted-root create` and Sigstore’s TUF repository make such a file.',
    });
  if (!/^[\u0021-\u007e]{3,500}$/.test(identity) || /\*(?!$)/.test(identity) || identity === '*')
    throw refused(`${JSON.stringify(identity.slice(0, 200))} is no identity: an address or URL, with * at its end at most`);
  if (!/^https:\/\/[\u0021-\u007e]{1,490}$/.test(issuer)) throw refused(`${JSON.stringify(issuer.slice(0, 200))} is no issuer: https://…`);
  if (trustedRoot.length > largestRoot) throw refused('the trusted root is larger than 1 MiB');
  let root: TrustedRoot;
  let material: TrustMaterial;
  try {
    root = TrustedRoot.fromJSON(JSON.parse(trustedRoot));
    material = toTrustMaterial(root);
  } catch (error) {
    throw refused(`the trusted root cannot be read: ${messageOf(error).slice(0, 200)}`);
  }
  for (const [what, list] of [
    ['certificate authority', root.certificateAuthorities],
    ['log of certificates', root.ctlogs],
    ['transparency log', root.tlogs],
  ] as const)
    if (list.length === 0) throw refused(`the trusted root names no ${what}`);
  const keyId = hexOf(digestOf(JSON.stringify([identity, issuer, trustedRoot]))) as KeyId;
  return { keyId, identity, issuer, root: material };
}

/**
 * Whether a bundle with a certificate is signed as one of these, offline: the certificate is of the root's authority and in its log, the signature in the
 * transparency log while the certificate held, and subject and issuer are the ones that are trusted. What the bundle says is for the caller to read.
 */
export function signsAs({ identity, issuer, root }: UpstreamIdentity, bundle: Bundle): boolean {
  try {
    const signer = new Verifier(root, { tlogThreshold: 1, ctlogThreshold: 1, timestampThreshold: 1 }).verify(toSignedEntity(bundle));
    const { subjectAlternativeName: subject, extensions } = signer.identity ?? {};
    if (subject === undefined || extensions?.issuer !== issuer) return false;
    // Compared here: the library would take the identity for a regular expression.
    return identity.endsWith('*') ? subject.startsWith(identity.slice(0, -1)) : subject === identity;
  } catch {
    return false;
  }
}
