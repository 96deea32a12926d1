import { createHash, type Hash } from 'node:crypto';
import type { Digest } from '../kernel/digest.ts';

/** The registered algorithms of OCI image-spec, descriptor.md "Registered Algorithms", and the hex digits of each. */
const hexDigits = { sha256: 64, sha512: 128 } as const;
export type DigestAlgorithm = keyof typeof hexDigits;

/**
 * What registries address content by: `sha256:…` or `sha512:…`. Everything that Waybill makes, signs and judges is a `Digest`
 * (sha256); this wider type is for what the registry stores for others.
 */
export type ContentDigest = Digest | (string & { readonly __brand: 'Sha512Digest' });

const pattern = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

export function isContentDigest(text: string): text is ContentDigest {
  return pattern.test(text);
}

export function algorithmOf(digest: ContentDigest): DigestAlgorithm {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256';
}

/** The hex digits alone. */
export function encodedOf(digest: ContentDigest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

export function contentDigestOf(content: Uint8Array, algorithm: DigestAlgorithm): ContentDigest {
  return finishDigest(createHash(algorithm).update(content), algorithm);
}

/** Ends the hash. */
export function finishDigest(hash: Hash, algorithm: DigestAlgorithm): ContentDigest {
  return `${algorithm}:${hash.digest('hex')}` as ContentDigest;
}
