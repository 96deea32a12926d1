import { WaybillError, messageOf } from '../kernel/error.ts';
import { openBundle } from './bundle.ts';
import { inTotoPayloadType, verifyEnvelope } from './dsse.ts';
import { usableKey, type KeyId, type KeyRing } from './keys.ts';
import { parseStatement, type Statement } from './statement.ts';

export type VerifiedPaper = { readonly statement: Statement; readonly keyId: KeyId };

/**
 * Verifies a bundle's signature with the one key that it names. The caller asks `subjectMatches` afterwards.
 * @param bundle the bundle's text
 * @param at when the paper is known to have been signed (its inclusion in the ledger); now, if nothing better is known
 * @throws WaybillError LIMIT_EXCEEDED (too large), PAPER_MALFORMED (also another payload type), PAPER_UNKNOWN_KEY,
 *   PAPER_KEY_EXPIRED, PAPER_KEY_REVOKED, PAPER_BAD_SIGNATURE
 */
export function verifyBundle(bundle: string, ring: KeyRing, at: Date = new Date()): VerifiedPaper {
  const opened = openBundle(bundle);
  if (opened.payloadType !== inTotoPayloadType)
    throw new WaybillError(
      'PAPER_MALFORMED',
      `a bundle's payload is ${JSON.stringify(opened.payloadType.slice(0, 100))}, not ${inTotoPayloadType}`,
    );
  const key = usableKey(ring, opened.keyId, at);
  if (!verifyEnvelope(opened.payloadType, opened.payload, opened.signature, key.key))
    throw new WaybillError('PAPER_BAD_SIGNATURE', `the signature is not by the key ${key.keyId}`);
  return { statement: parseStatement(parsePayload(opened.payload)), keyId: key.keyId };
}

function parsePayload(payload: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch (cause) {
    throw new WaybillError('PAPER_MALFORMED', `the payload of a bundle is not JSON: ${messageOf(cause).slice(0, 300)}`, { cause });
  }
}
