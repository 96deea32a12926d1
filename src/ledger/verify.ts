import { z } from 'zod';
import { WaybillError, messageOf } from '../kernel/error.ts';
import { largestEntry, parseLeaf } from './entry.ts';
import { consistencyProof, leafHash, memoryTree, rootAt, verifyConsistency, type Hash } from './merkle.ts';
import { parseVerifierKey, verifyCheckpoint, type Checkpoint, type NoteVerifier } from './note.ts';

export type VerifiedLedger = {
  readonly origin: string;
  readonly size: number;
  readonly root: Hash;
  readonly checkpoints: number;
  /** The newest checkpoint; entries from its size on are covered by no signature yet. */
  readonly latest?: Checkpoint;
  readonly uncovered: number;
};

export type VerifyOptions = {
  /** Keys that the reader trusts, as `name+keyid+key`. */
  readonly verifierKeys: readonly string[];
  /** Checkpoints that were kept elsewhere: the ledger must contain what they covered. This is what finds a rollback. */
  readonly witnessed?: readonly string[];
  /** Refuse entries after the last checkpoint. */
  readonly covered?: boolean;
};

const lineSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ledger'), version: z.literal(1), origin: z.string(), verifierKeys: z.array(z.string()).optional() }),
  z.object({ type: z.literal('entry'), index: z.int().min(0), hash: z.string(), leaf: z.string().max(largestEntry) }),
  z.object({ type: z.literal('checkpoint'), note: z.string() }),
]);

/**
 * Verifies an exported ledger offline: every leaf, every root, every checkpoint's signature, each checkpoint against the one
 * before it (RFC 9162 2.1.4.2), and those that were witnessed elsewhere.
 * @param lines the export, a line or several in each piece
 * @throws WaybillError LEDGER_BROKEN, which names the first bad entry
 */
export async function verifyExport(lines: AsyncIterable<string> | Iterable<string>, options: VerifyOptions): Promise<VerifiedLedger> {
  const verifiers = options.verifierKeys.map(parseVerifierKey);
  const tree = memoryTree();
  const root = () => rootAt(tree.size(), tree.lookup);
  let origin: string | undefined;
  let latest: Checkpoint | undefined;
  let checkpoints = 0;
  let number = 0;
  for await (const text of splitLines(lines)) {
    number += 1;
    const line = parseLine(text, number, tree.size());
    if (line.type === 'ledger') {
      if (origin !== undefined || number !== 1) throw new WaybillError('LEDGER_BROKEN', `line ${number}: a second beginning`);
      origin = line.origin;
    } else if (origin === undefined) throw new WaybillError('LEDGER_BROKEN', 'the export does not begin with its `ledger` line');
    else if (line.type === 'entry') {
      if (line.index !== tree.size())
        throw new WaybillError('LEDGER_BROKEN', `entry ${tree.size()} is missing or out of order: entry ${line.index} stands in its place`);
      parseLeaf(line.leaf, line.index);
      const hash = leafHash(line.leaf);
      if (hash !== line.hash)
        throw new WaybillError('LEDGER_BROKEN', `entry ${line.index} was changed: its hash is not the one in the tree`);
      tree.append(hash);
    } else {
      latest = checkCheckpoint(line.note, { origin, verifiers, latest, size: tree.size(), root: root(), lookup: tree.lookup });
      checkpoints += 1;
    }
  }
  if (origin === undefined) throw new WaybillError('LEDGER_BROKEN', 'the export is empty');
  for (const note of options.witnessed ?? []) {
    const witness = verifyCheckpoint(note, verifiers);
    if (witness.origin !== origin)
      throw new WaybillError('LEDGER_BROKEN', `a witnessed checkpoint is of ${witness.origin}, not of ${origin}`);
    if (witness.size > tree.size())
      throw new WaybillError(
        'LEDGER_BROKEN',
        `entry ${tree.size()} is missing: the ledger was rolled back behind a witnessed checkpoint of ${witness.size} entries`,
      );
    if (rootAt(witness.size, tree.lookup) !== witness.root)
      throw new WaybillError('LEDGER_BROKEN', `entries before ${witness.size} are not those of a witnessed checkpoint`);
  }
  const uncovered = tree.size() - (latest?.size ?? 0);
  if (options.covered && uncovered > 0)
    throw new WaybillError('LEDGER_BROKEN', `entry ${latest?.size ?? 0} and what follows is covered by no checkpoint`);
  return { origin, size: tree.size(), root: root(), checkpoints, uncovered, ...(latest && { latest }) };
}

function checkCheckpoint(
  note: string,
  now: {
    origin: string;
    verifiers: readonly NoteVerifier[];
    latest: Checkpoint | undefined;
    size: number;
    root: Hash;
    lookup: Parameters<typeof consistencyProof>[2];
  },
): Checkpoint {
  const checkpoint = verifyCheckpoint(note, now.verifiers);
  const since = now.latest?.size ?? 0;
  if (checkpoint.origin !== now.origin)
    throw new WaybillError(
      'LEDGER_BROKEN',
      `a checkpoint after entry ${now.size - 1} is of the ledger ${checkpoint.origin}, not of ${now.origin}`,
    );
  if (checkpoint.size !== now.size)
    throw new WaybillError(
      'LEDGER_BROKEN',
      `a checkpoint of ${checkpoint.size} entries stands after ${now.size}: the first wrong entry is one of ${since} to ${now.size}`,
    );
  if (checkpoint.root !== now.root)
    throw new WaybillError(
      'LEDGER_BROKEN',
      `entries ${since} to ${now.size - 1} are not those that the checkpoint of ${now.size} entries covers: one of them was changed`,
    );
  const { latest } = now;
  if (
    latest &&
    !verifyConsistency({ older: latest, newer: checkpoint, hashes: consistencyProof(latest.size, checkpoint.size, now.lookup) })
  )
    throw new WaybillError('LEDGER_BROKEN', `the checkpoints of ${latest.size} and ${checkpoint.size} entries are not of one ledger`);
  return { origin: checkpoint.origin, size: checkpoint.size, root: checkpoint.root };
}

function parseLine(text: string, number: number, entry: number): z.infer<typeof lineSchema> {
  try {
    return lineSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new WaybillError(
      'LEDGER_BROKEN',
      `line ${number} (entry ${entry} was expected) cannot be read: ${messageOf(cause).slice(0, 300)}`,
      {
        cause,
      },
    );
  }
}

const longestLine = 4 * largestEntry;

async function* splitLines(pieces: AsyncIterable<string> | Iterable<string>): AsyncIterable<string> {
  let rest = '';
  for await (const piece of pieces) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > longestLine)
      throw new WaybillError('LIMIT_EXCEEDED', `a line of the export is longer than ${longestLine} characters`);
    for (const line of lines) if (line !== '') yield line;
  }
  if (rest !== '') yield rest;
}
