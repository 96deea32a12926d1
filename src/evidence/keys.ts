import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { WaybillError, messageOf } from '../kernel/error.ts';
import { Secret } from '../kernel/secret.ts';

/** SHA-256 of the public key's SPKI DER, 64 hex digits. */
export type KeyId = string & { readonly __brand: 'KeyId' };

export type KeyPair = { readonly privateKey: Secret; readonly publicKey: string; readonly keyId: KeyId };

/** A private key that signs and shows nothing but its public half. */
export type SigningKey = {
  readonly keyId: KeyId;
  /** SPKI PEM. */
  readonly publicKey: string;
  /** ECDSA P-256 with SHA-256, DER. */
  sign(content: Uint8Array): Buffer;
};

/** A key for papers: ECDSA P-256; PKCS#8 PEM inside the Secret, SPKI PEM outside. */
export function generatePapersKey(): KeyPair {
  return pairOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }));
}

/** A key for the ledger's checkpoints: Ed25519, same forms. */
export function generateCheckpointKey(): KeyPair {
  return pairOf(generateKeyPairSync('ed25519'));
}

function pairOf(pair: { privateKey: KeyObject; publicKey: KeyObject }): KeyPair {
  return {
    privateKey: new Secret(pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()),
    publicKey: pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    keyId: keyIdOf(pair.publicKey),
  };
}

export function keyIdOf(publicKey: KeyObject): KeyId {
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex') as KeyId;
}

/** @param pem PKCS#8 PEM of an ECDSA P-256 key @throws WaybillError INVALID_INPUT */
export function loadPapersKey(pem: Secret): SigningKey {
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(pem.reveal());
  } catch {
    // The cause could carry parts of the key.
    throw new WaybillError('INVALID_INPUT', 'the key for papers cannot be read (PKCS#8 PEM is expected)');
  }
  requireP256(privateKey);
  const publicKey = createPublicKey(privateKey);
  return {
    keyId: keyIdOf(publicKey),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    sign: (content) => sign('sha256', content, privateKey),
  };
}

function requireP256(key: KeyObject): void {
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new WaybillError('INVALID_INPUT', 'papers are signed with ECDSA keys on the curve P-256');
}

/** A public key and when what it signed counts. Keys are revoked, never removed. */
export type RingKey = {
  readonly keyId: KeyId;
  readonly key: KeyObject;
  readonly publicKey: string;
  readonly validFrom: Date;
  readonly validUntil?: Date;
  /** From this moment on nothing that it signed counts. */
  readonly revokedAt?: Date;
};

export type KeyRing = { readonly keys: readonly RingKey[] };

const time = z.iso.datetime({ offset: true });
const ringSchema = z.strictObject({
  version: z.literal(1),
  keys: z
    .array(
      z.strictObject({
        keyId: z.string().regex(/^[0-9a-f]{64}$/),
        algorithm: z.literal('ecdsa-p256-sha256'),
        publicKey: z.string().max(2_000),
        validFrom: time,
        validUntil: time.exactOptional(),
        revokedAt: time.exactOptional(),
      }),
    )
    .max(1_000),
});

/** The file format of a key ring: JSON, version 1. */
export type KeyRingFile = z.infer<typeof ringSchema>;

/** @param value parsed JSON of a key ring file @throws WaybillError INVALID_INPUT */
export function parseKeyRing(value: unknown): KeyRing {
  const parsed = ringSchema.safeParse(value);
  if (!parsed.success)
    throw new WaybillError('INVALID_INPUT', `the key ring cannot be read: ${z.prettifyError(parsed.error).slice(0, 500)}`);
  const keys = parsed.data.keys.map((entry): RingKey => {
    const key = publicKeyOf(entry.publicKey);
    if (keyIdOf(key) !== entry.keyId)
      throw new WaybillError('INVALID_INPUT', `the key ring's key ${entry.keyId} has another id than its public key`);
    return {
      keyId: entry.keyId as KeyId,
      key,
      publicKey: entry.publicKey,
      validFrom: new Date(entry.validFrom),
      ...(entry.validUntil !== undefined && { validUntil: new Date(entry.validUntil) }),
      ...(entry.revokedAt !== undefined && { revokedAt: new Date(entry.revokedAt) }),
    };
  });
  if (new Set(keys.map((key) => key.keyId)).size !== keys.length) throw new WaybillError('INVALID_INPUT', 'the key ring names a key twice');
  return { keys };
}

export function keyRingFile(ring: KeyRing): KeyRingFile {
  return {
    version: 1,
    keys: ring.keys.map((key) => ({
      keyId: key.keyId,
      algorithm: 'ecdsa-p256-sha256',
      publicKey: key.publicKey,
      validFrom: key.validFrom.toISOString(),
      ...(key.validUntil && { validUntil: key.validUntil.toISOString() }),
      ...(key.revokedAt && { revokedAt: key.revokedAt.toISOString() }),
    })),
  };
}

/** @param publicKey SPKI PEM */
export function ringKey(publicKey: string, validity: { validFrom: Date; validUntil?: Date; revokedAt?: Date }): RingKey {
  const key = publicKeyOf(publicKey);
  return { keyId: keyIdOf(key), key, publicKey, ...validity };
}

function publicKeyOf(pem: string): KeyObject {
  if (!pem.includes('BEGIN PUBLIC KEY')) throw new WaybillError('INVALID_INPUT', 'a public key of the key ring is not SPKI PEM');
  try {
    const key = createPublicKey(pem);
    requireP256(key);
    return key;
  } catch (cause) {
    throw new WaybillError('INVALID_INPUT', `a public key of the key ring cannot be read: ${messageOf(cause)}`, { cause });
  }
}

/**
 * The key, if what it signed at `at` counts.
 * @throws WaybillError PAPER_UNKNOWN_KEY, PAPER_KEY_EXPIRED, PAPER_KEY_REVOKED
 */
export function usableKey(ring: KeyRing, keyId: string, at: Date): RingKey {
  const key = ring.keys.find((k) => k.keyId === keyId);
  const shown = JSON.stringify(keyId.slice(0, 64));
  if (!key) throw new WaybillError('PAPER_UNKNOWN_KEY', `the key ring has no key ${shown}`);
  if (key.revokedAt && at >= key.revokedAt)
    throw new WaybillError('PAPER_KEY_REVOKED', `the key ${shown} was revoked at ${key.revokedAt.toISOString()}`);
  if (at < key.validFrom || (key.validUntil && at >= key.validUntil))
    throw new WaybillError(
      'PAPER_KEY_EXPIRED',
      `the key ${shown} is valid from ${key.validFrom.toISOString()} until ${key.validUntil?.toISOString() ?? 'further notice'}, and was used at ${at.toISOString()}`,
    );
  return key;
}
