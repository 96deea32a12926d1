import { verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { SigningKey } from './keys.ts';

/** DSSE (secure-systems-lab/dsse protocol.md, envelope.md). */
export const inTotoPayloadType = 'application/vnd.in-toto+json';

export type Envelope = {
  /** Base64. */
  readonly payload: string;
  readonly payloadType: string;
  /** Without `keyid`: cosign 3 refuses an envelope that has one (docs/decisions, the shape of a bundle). */
  readonly signatures: readonly [{ readonly sig: string }];
};

/** Pre-authentication encoding: what is signed. */
export function pae(payloadType: string, payload: Uint8Array): Buffer {
  const type = Buffer.from(payloadType);
  return Buffer.concat([Buffer.from(`DSSEv1 ${type.length} `), type, Buffer.from(` ${payload.length} `), payload]);
}

export function signEnvelope(payloadType: string, payload: Uint8Array, key: SigningKey): Envelope {
  return {
    payload: Buffer.from(payload).toString('base64'),
    payloadType,
    signatures: [{ sig: key.sign(pae(payloadType, payload)).toString('base64') }],
  };
}

/** ECDSA P-256 with SHA-256 over the PAE. */
export function verifyEnvelope(payloadType: string, payload: Uint8Array, signature: Uint8Array, key: KeyObject): boolean {
  return verify('sha256', pae(payloadType, payload), key, signature);
}

/** Decodes standard base64 with padding, exactly as it would be written; undefined for anything else. */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}
