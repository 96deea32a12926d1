import { createHash, createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { WaybillError } from '../kernel/error.ts';
import type { Secret } from '../kernel/secret.ts';
import { isHash, type Hash } from './merkle.ts';

/**
 * Checkpoints as C2SP tlog-checkpoint, in C2SP signed notes: a text, an empty line, one signature line per key
 * (`— name base64(key id || Ed25519 signature)`). Verifier keys are `name+keyid+base64(0x01 || public key)`.
 */
export type Checkpoint = { readonly origin: string; readonly size: number; readonly root: Hash };

export type NoteVerifier = { readonly name: string; readonly keyId: string; readonly publicKey: KeyObject };
export type NoteSigner = { readonly verifierKey: string; sign(text: string): string };

type NoteSignature = { readonly name: string; readonly keyId: string; readonly signature: Buffer };

const ed25519 = 0x01;
const largestNote = 64 * 1024;
const mostSignatures = 16;
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');

export function isNoteName(name: string): boolean {
  return name.length > 0 && name.length <= 200 && !/[\s+\p{C}]/u.test(name);
}

/** The text of a checkpoint: origin, size, root in base64, one line each. */
export function checkpointText(checkpoint: Checkpoint): string {
  return `${checkpoint.origin}\n${checkpoint.size}\n${Buffer.from(checkpoint.root, 'hex').toString('base64')}\n`;
}

/** @param key PKCS#8 PEM of an Ed25519 key; @param name a name without white space and `+`, usually the origin */
export function noteSigner(name: string, key: Secret): NoteSigner {
  if (!isNoteName(name))
    throw new WaybillError('INVALID_INPUT', `${JSON.stringify(name.slice(0, 100))} cannot be the name of a note's key`);
  const privateKey = createPrivateKey(key.reveal());
  if (privateKey.asymmetricKeyType !== 'ed25519') throw new WaybillError('INVALID_INPUT', 'checkpoints are signed with Ed25519 keys');
  const raw = rawKey(createPublicKey(privateKey));
  const keyId = keyIdOf(name, raw);
  return {
    verifierKey: `${name}+${keyId}+${Buffer.concat([Buffer.from([ed25519]), raw]).toString('base64')}`,
    sign(text) {
      if (!text.endsWith('\n') || text.includes('\n\n')) throw new WaybillError('INVALID_INPUT', 'the text of a note ends in one newline');
      const line = Buffer.concat([Buffer.from(keyId, 'hex'), sign(null, Buffer.from(text), privateKey)]).toString('base64');
      return `${text}\n— ${name} ${line}\n`;
    },
  };
}

/** Parses `name+keyid+base64`. @throws WaybillError INVALID_INPUT */
export function parseVerifierKey(text: string): NoteVerifier {
  const [, name, keyId, key] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{1,100})$/.exec(text) ?? [];
  const bytes = Buffer.from(key ?? '', 'base64');
  const raw = bytes.subarray(1);
  if (!name || !keyId || !isNoteName(name) || bytes[0] !== ed25519 || raw.length !== 32 || keyIdOf(name, raw) !== keyId)
    throw new WaybillError('INVALID_INPUT', `${JSON.stringify(text.slice(0, 100))} is not a verifier key (name+keyid+key, Ed25519)`);
  return { name, keyId, publicKey: createPublicKey({ key: Buffer.concat([spkiPrefix, raw]), format: 'der', type: 'spki' }) };
}

/** The checkpoint of a note, without a look at its signatures. @throws WaybillError INVALID_INPUT */
export function parseCheckpoint(note: string): Checkpoint {
  return checkpointOf(splitNote(note).text);
}

/**
 * The checkpoint of a note that at least one of `verifiers` signed. Signatures of unknown keys are passed over, as the format
 * demands (witnesses may add theirs); a wrong signature in the name of a known key spoils the note.
 * @throws WaybillError LEDGER_BROKEN, INVALID_INPUT
 */
export function verifyCheckpoint(note: string, verifiers: readonly NoteVerifier[]): Checkpoint & { readonly signers: readonly string[] } {
  const { text, signatures } = splitNote(note);
  const signers: string[] = [];
  for (const signature of signatures) {
    const verifier = verifiers.find((v) => v.name === signature.name && v.keyId === signature.keyId);
    if (!verifier) continue;
    if (!verify(null, Buffer.from(text), verifier.publicKey, signature.signature))
      throw new WaybillError('LEDGER_BROKEN', `a checkpoint's signature by ${verifier.name}+${verifier.keyId} is wrong`);
    signers.push(`${verifier.name}+${verifier.keyId}`);
  }
  if (signers.length === 0) throw new WaybillError('LEDGER_BROKEN', 'a checkpoint is signed by no key that is trusted here');
  return { ...checkpointOf(text), signers };
}

/** Adds the signature lines of `other`, a note over the same text. @throws WaybillError INVALID_INPUT */
export function mergeNotes(note: string, other: string): string {
  const [a, b] = [splitNote(note), splitNote(other)];
  if (a.text !== b.text) throw new WaybillError('INVALID_INPUT', 'the two notes have different texts');
  const added = other
    .slice(b.text.length + 1)
    .split('\n')
    .filter((line) => line !== '' && !note.includes(`${line}\n`));
  return note + added.map((line) => `${line}\n`).join('');
}

function splitNote(note: string): { text: string; signatures: NoteSignature[] } {
  if (note.length > largestNote) throw new WaybillError('LIMIT_EXCEEDED', `a note is larger than ${largestNote} characters`);
  const at = note.lastIndexOf('\n\n');
  if (at < 0 || !note.endsWith('\n')) throw new WaybillError('INVALID_INPUT', 'not a signed note: no empty line before the signatures');
  const lines = note.slice(at + 2, -1).split('\n');
  if (lines.length > mostSignatures) throw new WaybillError('LIMIT_EXCEEDED', `a note has more than ${mostSignatures} signatures`);
  return { text: note.slice(0, at + 1), signatures: lines.map(parseSignature) };
}

function parseSignature(line: string): NoteSignature {
  const [, name, encoded] = /^— ([^ ]+) ([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? [];
  const bytes = Buffer.from(encoded ?? '', 'base64');
  if (!name || !isNoteName(name) || bytes.length < 5 || bytes.toString('base64') !== encoded)
    throw new WaybillError('INVALID_INPUT', 'not a signed note: a signature line is malformed');
  return { name, keyId: bytes.subarray(0, 4).toString('hex'), signature: bytes.subarray(4) };
}

function checkpointOf(text: string): Checkpoint {
  const [origin, size, root] = text.split('\n');
  const hash = Buffer.from(root ?? '', 'base64');
  const hex = hash.toString('hex');
  const count = Number(size);
  if (
    !origin ||
    !/^(0|[1-9][0-9]{0,15})$/.test(size ?? '') ||
    !Number.isSafeInteger(count) ||
    !isHash(hex) ||
    hash.toString('base64') !== root
  )
    throw new WaybillError('INVALID_INPUT', 'not a checkpoint: origin, size and root are expected, one line each');
  return { origin, size: count, root: hex };
}

function rawKey(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: 'spki', format: 'der' }).subarray(spkiPrefix.length);
}

/** First four bytes of SHA-256(name || 0x0A || 0x01 || key), as hex. */
function keyIdOf(name: string, raw: Uint8Array): string {
  return createHash('sha256').update(`${name}\n`).update(Uint8Array.of(ed25519)).update(raw).digest('hex').slice(0, 8);
}
