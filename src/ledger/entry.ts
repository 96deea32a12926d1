import { z } from 'zod';
import { WaybillError, messageOf } from '../kernel/error.ts';
import { canonicalJson, type JsonValue } from '../kernel/json.ts';

/** What the ledger records. A new kind may be added; none is ever renamed. */
export const ledgerKinds = [
  'attestation',
  'verdict',
  'key-use',
  'grant',
  'waiver',
  'approval',
  'rejection',
  'merge',
  'admin',
  'release',
  'snapshot',
  'checkpoint-key',
  'papers-key',
  'refusal',
  'login',
  'audit',
] as const;
export type LedgerKind = (typeof ledgerKinds)[number];

export type NewEntry = {
  readonly kind: LedgerKind;
  /** Digests, commits, trees, names by which the entry is found. */
  readonly subject?: readonly string[];
  /** Plain JSON; a Secret in it is refused. */
  readonly body: JsonValue;
};

export type LedgerEntry = {
  readonly index: number;
  readonly kind: LedgerKind;
  readonly at: string;
  readonly subject: readonly string[];
  readonly body: JsonValue;
};

/** Largest leaf, in bytes. */
export const largestEntry = 1024 * 1024;
const mostSubjects = 64;
const longestSubject = 500;

const schema = z.strictObject({
  at: z.iso.datetime(),
  body: z.json(),
  index: z.int().min(0),
  kind: z.enum(ledgerKinds),
  subject: z.array(z.string().min(1).max(longestSubject)).max(mostSubjects),
});

/** The text whose UTF-8 bytes are the leaf. @throws WaybillError INVALID_INPUT, LIMIT_EXCEEDED */
export function leafOf(entry: NewEntry, index: number, at: string): { readonly leaf: string; readonly subject: readonly string[] } {
  if (!ledgerKinds.includes(entry.kind)) throw new WaybillError('INVALID_INPUT', `the ledger has no entries of kind ${String(entry.kind)}`);
  if (entry.body === undefined) throw new WaybillError('INVALID_INPUT', 'an entry of the ledger needs a body');
  const subject = [...new Set(entry.subject)];
  if (subject.length > mostSubjects) throw new WaybillError('LIMIT_EXCEEDED', `an entry has more than ${mostSubjects} subjects`);
  const bad = subject.find((text) => typeof text !== 'string' || text === '' || text.length > longestSubject);
  if (bad !== undefined) throw new WaybillError('INVALID_INPUT', `a subject has no or more than ${longestSubject} characters`);
  const leaf = canonicalJson({ at, body: entry.body, index, kind: entry.kind, subject });
  if (Buffer.byteLength(leaf) > largestEntry) throw new WaybillError('LIMIT_EXCEEDED', `an entry is larger than ${largestEntry} bytes`);
  return { leaf, subject };
}

/** The entry at `index`; refuses what is not in canonical form or stands at another place. @throws WaybillError LEDGER_BROKEN */
export function parseLeaf(leaf: string, index: number): LedgerEntry {
  let entry: LedgerEntry;
  try {
    entry = schema.parse(JSON.parse(leaf)) as LedgerEntry;
  } catch (cause) {
    throw new WaybillError('LEDGER_BROKEN', `entry ${index} cannot be read: ${messageOf(cause).slice(0, 300)}`, { cause });
  }
  if (entry.index !== index) throw new WaybillError('LEDGER_BROKEN', `entry ${index} says that it is entry ${entry.index}`);
  if (canonicalJson(entry) !== leaf) throw new WaybillError('LEDGER_BROKEN', `entry ${index} is not in canonical form`);
  return entry;
}
