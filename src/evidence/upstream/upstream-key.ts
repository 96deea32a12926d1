import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { WaybillError } from '../../kernel/error.ts';
import { keyIdOf, type KeyId } from '../keys.ts';

/** A public key of an upstream. */
export type UpstreamKey = { readonly keyId: KeyId; readonly publicKey: string; readonly key: KeyObject };

const curves: Readonly<Record<string, readonly string[]>> = {
  // cosign signs with SHA-256 whatever the curve is; bundles of other signers take the curve's own hash.
  prime256v1: ['sha256'],
  secp384r1: ['sha256', 'sha384'],
  secp521r1: ['sha256', 'sha512'],
};

/**
 * Reads a key as `cosign generate-key-pair` and KMSs write it: SPKI PEM; ECDSA on P-256, P-384 or P-521, Ed25519, or RSA of at least 2,048 bits.
 * @throws WaybillError INVALID_INPUT, also for a private key
 */
export function parseUpstreamKey(pem: string): UpstreamKey {
  const refused = (why: string) =>
    new WaybillError('INVALID_INPUT', `the key cannot be taken: ${why}`, {
      fix: 'Give the public key of the upstream as PEM (-----BEGIN PUBLIC KEY-----), such as cosign.pub.',
    });
  if (/PRIVATE KEY/.test(pem)) throw refused('it is a private key, which belongs to nobody but its owner');
  if (!/^\s*-----BEGIN PUBLIC KEY-----/.test(pem) || pem.length > 10_000) throw refused('it is no public key in PEM');
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    throw refused('it cannot be read');
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  const fits =
    type === 'ed25519' ||
    (type === 'ec' && curves[details?.namedCurve ?? ''] !== undefined) ||
    (type === 'rsa' && (details?.modulusLength ?? 0) >= 2_048);
  if (!fits) throw refused(`it is of a kind that is not verified with here (${type ?? 'unknown'})`);
  return { keyId: keyIdOf(key), publicKey: key.export({ type: 'spki', format: 'pem' }).toString(), key };
}

/** Whether `signature` over `content` is by the key. ECDSA in DER, RSA as PKCS #1 v1.5, which is what cosign makes. */
export function verifiesWith({ key }: UpstreamKey, content: Uint8Array, signature: Uint8Array): boolean {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  const hashes = type === 'ed25519' ? [null] : type === 'ec' ? (curves[details?.namedCurve ?? ''] ?? []) : ['sha256'];
  return hashes.some((hash) => {
    try {
      return verify(hash, content, key, signature);
    } catch {
      // Bytes that are no signature at all.
      return false;
    }
  });
}
