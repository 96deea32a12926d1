import { z } from 'zod';
import { WaybillError, messageOf } from '../kernel/error.ts';
import { decodeBase64, signEnvelope, verifyEnvelope } from './dsse.ts';
import { usableKey, type KeyRing, type SigningKey } from './keys.ts';
import { snapshotSchema } from './snapshot-schema.ts';
import { snapshotPayloadType, type Snapshot } from './snapshot.ts';

/** Largest snapshot that is read, in characters of its envelope. */
export const largestSnapshot = 64 * 1024 * 1024;

const envelopeSchema = z.object({
  payload: z.string(),
  payloadType: z.literal(snapshotPayloadType),
  signatures: z.tuple([z.object({ keyid: z.string(), sig: z.string() })]),
});

/** @throws WaybillError PAPER_MALFORMED */
export function parseSnapshot(value: unknown): Snapshot {
  const parsed = snapshotSchema.safeParse(value);
  if (!parsed.success) throw new WaybillError('PAPER_MALFORMED', `not a snapshot: ${z.prettifyError(parsed.error).slice(0, 500)}`);
  return parsed.data;
}

/** A DSSE envelope as JSON text. Only the gate reads it, so that it names its key. */
export function signSnapshot(snapshot: Snapshot, key: SigningKey): string {
  const envelope = signEnvelope(snapshotPayloadType, Buffer.from(JSON.stringify(snapshot)), key);
  return JSON.stringify({ ...envelope, signatures: [{ keyid: key.keyId, sig: envelope.signatures[0].sig }] });
}

/**
 * The snapshot, if a key that is usable now signed it. Whether it may replace the present one says `acceptSnapshot`.
 * @throws WaybillError LIMIT_EXCEEDED, PAPER_MALFORMED, PAPER_UNKNOWN_KEY, PAPER_KEY_EXPIRED, PAPER_KEY_REVOKED, PAPER_BAD_SIGNATURE
 */
export function verifySnapshot(envelope: string, ring: KeyRing, at: Date = new Date()): Snapshot {
  if (envelope.length > largestSnapshot)
    throw new WaybillError('LIMIT_EXCEEDED', `a snapshot is larger than ${largestSnapshot} characters`);
  const parsed = envelopeSchema.safeParse(parseJson(envelope));
  if (!parsed.success)
    throw new WaybillError('PAPER_MALFORMED', `not the envelope of a snapshot: ${z.prettifyError(parsed.error).slice(0, 500)}`);
  const [signature] = parsed.data.signatures;
  const [payload, sig] = [decodeBase64(parsed.data.payload), decodeBase64(signature.sig)];
  if (!payload || !sig) throw new WaybillError('PAPER_MALFORMED', 'a snapshot has payload or signature in other than plain base64');
  const key = usableKey(ring, signature.keyid, at);
  if (!verifyEnvelope(snapshotPayloadType, payload, sig, key.key))
    throw new WaybillError('PAPER_BAD_SIGNATURE', `the signature of the snapshot is not by the key ${key.keyId}`);
  return parseSnapshot(parseJson(payload.toString()));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new WaybillError('PAPER_MALFORMED', `not the envelope of a snapshot: ${messageOf(cause).slice(0, 300)}`, { cause });
  }
}

/** How far the clocks of signer and gate may be apart, in milliseconds. */
const skew = 5 * 60_000;

/**
 * The snapshot that the gate goes on with: `next`, unless it is older than what was seen before, or expired while the present one is not
 * (whoever offers such a one hides a newer). A gate that starts with nothing but an expired snapshot takes it, and warns: its
 * entries hold until their own date, also when the server is gone.
 * @throws WaybillError SNAPSHOT_REFUSED
 */
export function acceptSnapshot(previous: Snapshot | undefined, next: Snapshot, now: Date): Snapshot {
  if (previous && next.sequence < previous.sequence)
    throw new WaybillError('SNAPSHOT_REFUSED', `its sequence ${next.sequence} is lower than the present ${previous.sequence}`);
  if (previous && next.sequence === previous.sequence && Date.parse(next.issuedAt) < Date.parse(previous.issuedAt))
    throw new WaybillError('SNAPSHOT_REFUSED', `it was issued at ${next.issuedAt}, before the present one`);
  if (Date.parse(next.issuedAt) > now.getTime() + skew)
    throw new WaybillError('SNAPSHOT_REFUSED', `it was issued at ${next.issuedAt}, which is yet to come`);
  const expired = (snapshot: Snapshot) => Date.parse(snapshot.expiresAt) <= now.getTime();
  if (previous && expired(next) && !expired(previous)) throw new WaybillError('SNAPSHOT_REFUSED', `it expired at ${next.expiresAt}`);
  return next;
}
