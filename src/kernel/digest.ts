import { createHash } from 'node:crypto';
import { WaybillError } from './error.ts';

/** `sha256:` followed by 64 lower-case hex digits (OCI image-spec, descriptor.md "Digests"). */
export type Digest = string & { readonly __brand: 'Digest' };

const pattern = /^sha256:[0-9a-f]{64}$/;

export function isDigest(text: string): text is Digest {
  return pattern.test(text);
}

/** @throws WaybillError INVALID_INPUT */
export function parseDigest(text: string): Digest {
  if (!isDigest(text))
    throw new WaybillError('INVALID_INPUT', `${JSON.stringify(text.slice(0, 100))} is not a digest (sha256: and 64 hex digits)`);
  return text;
}

export function digestOf(content: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(content).digest('hex')}` as Digest;
}

/** The 64 hex digits alone. */
export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}
