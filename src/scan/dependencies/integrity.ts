import type { Component } from '../component.ts';

type Hash = Component['hashes'][number];
const lengths = { sha1: 20, sha256: 32, sha384: 48, sha512: 64 } as const;

/** Subresource Integrity (`sha512-…base64`, several with spaces) as hexadecimal. What is no hash is left out. */
export function hashesOf(integrity: unknown): readonly Hash[] {
  if (typeof integrity !== 'string' || integrity.length > 2_000) return [];
  return integrity.split(/\s+/).flatMap((part): Hash[] => {
    const [algorithm = '', base64 = ''] = [part.slice(0, part.indexOf('-')), part.slice(part.indexOf('-') + 1)];
    if (!isAlgorithm(algorithm)) return [];
    const bytes = Buffer.from(base64, 'base64');
    return bytes.length === lengths[algorithm] ? [{ algorithm, hex: bytes.toString('hex') }] : [];
  });
}

/** `sha256:…` or a bare hexadecimal digest of sha256. */
export function hexHash(text: unknown, fallback: Hash['algorithm'] = 'sha256'): readonly Hash[] {
  if (typeof text !== 'string') return [];
  const colon = text.indexOf(':');
  const algorithm = colon === -1 ? fallback : text.slice(0, colon);
  const hex = text.slice(colon + 1).toLowerCase();
  return isAlgorithm(algorithm) && hex.length === lengths[algorithm] * 2 && /^[0-9a-f]+$/.test(hex) ? [{ algorithm, hex }] : [];
}

function isAlgorithm(text: string): text is Hash['algorithm'] {
  return Object.hasOwn(lengths, text);
}
