import type { Kysely } from 'kysely';
import type { Clock } from '../kernel/clock.ts';
import { WaybillError } from '../kernel/error.ts';
import type { Store } from '../store/store.ts';
import { appendIn, fetchNodes, lockHead, type Appended } from './append.ts';
import { parseLeaf, type LedgerEntry, type LedgerKind, type NewEntry } from './entry.ts';
import { consistencyProof, inclusionProof, leafHash, nodesFor, rootAt, type Hash } from './merkle.ts';
import { isNoteName, parseCheckpoint, verifyCheckpoint, type Checkpoint, type NoteVerifier } from './note.ts';
import type { LedgerTables } from './tables.ts';

export type StoredCheckpoint = Checkpoint & { readonly at: string; readonly note: string };

export type InclusionProof = {
  readonly index: number;
  readonly size: number;
  readonly leaf: Hash;
  readonly root: Hash;
  readonly hashes: readonly Hash[];
};

/** The append-only Merkle log: RFC 6962 hashes over canonical JSON entries. Nothing in it is ever changed or removed. */
export type Ledger = {
  readonly origin: string;
  /** Within a transaction on the same store, `transaction` must be given: SQLite has one connection, and would wait for itself. */
  append(entry: NewEntry, transaction?: Kysely<never>): Promise<Appended>;
  /** Oldest first, from index `from` on, at most `limit` (1 to 1,000). `subject` is matched exactly. */
  entries(query: { from?: number; limit: number; kind?: LedgerKind; subject?: string }): Promise<LedgerEntry[]>;
  size(): Promise<number>;
  rootAt(size: number): Promise<Hash>;
  inclusionProof(index: number, size: number): Promise<InclusionProof>;
  consistencyProof(from: number, to: number): Promise<Hash[]>;
  /**
   * Has the present head signed and keeps the note. `signNote` may sign a head of its own reading (the signer does): what it
   * returns is checked against this tree, and against `verifiers` when there are any.
   */
  checkpoint(signNote: (head: Checkpoint) => Promise<string>, verifiers?: readonly NoteVerifier[]): Promise<StoredCheckpoint>;
  latestCheckpoint(): Promise<StoredCheckpoint | undefined>;
};

/** @param origin names this ledger in its checkpoints: a URL without scheme; fixed at the first opening */
export async function openLedger(store: Store, clock: Clock, origin: string): Promise<Ledger> {
  if (!isNoteName(origin)) throw new WaybillError('INVALID_INPUT', `${JSON.stringify(origin.slice(0, 100))} cannot be a ledger's origin`);
  const db = store.as<LedgerTables>();
  const row = () => db.selectFrom('ledger_head').selectAll().where('id', '=', 1).executeTakeFirst();
  // Written at the first opening only, so that the signer can open the same ledger read-only.
  if (!(await row())) {
    const first = db.insertInto('ledger_head').values({ id: 1, origin, size: 0 });
    await first.onConflict((c) => c.column('id').doNothing()).execute();
  }
  const head = await row();
  if (!head) throw new WaybillError('LEDGER_BROKEN', 'the ledger has no head');
  if (head.origin !== origin) throw new WaybillError('CONFLICT', `this ledger's origin is ${head.origin}, not ${origin}`);

  const size = async () => (await db.selectFrom('ledger_head').select('size').where('id', '=', 1).executeTakeFirstOrThrow()).size;
  const within = async (wanted: number) => {
    const present = await size();
    if (!Number.isSafeInteger(wanted) || wanted < 0 || wanted > present)
      throw new WaybillError('INVALID_INPUT', `the ledger has ${present} entries; a size of ${wanted} was asked for`);
  };
  const root = async (wanted: number) => {
    await within(wanted);
    return rootAt(wanted, await fetchNodes(db, nodesFor.root(wanted)));
  };

  return {
    origin,
    size,
    rootAt: root,
    append: (entry, transaction) =>
      transaction
        ? appendIn(transaction as unknown as Kysely<LedgerTables>, clock, entry)
        : db.transaction().execute((trx) => appendIn(trx, clock, entry)),
    async entries({ from = 0, limit, kind, subject }) {
      if (!Number.isSafeInteger(limit) || limit < 1 || limit > 1_000)
        throw new WaybillError('INVALID_INPUT', `a page of the ledger has 1 to 1000 entries, not ${limit}`);
      let query = db.selectFrom('ledger_entry').select(['ledger_entry.idx', 'leaf']).where('ledger_entry.idx', '>=', from);
      if (kind !== undefined) query = query.where('ledger_entry.kind', '=', kind);
      if (subject !== undefined)
        query = query.where('ledger_entry.idx', 'in', (eb) => eb.selectFrom('ledger_subject').select('idx').where('subject', '=', subject));
      const rows = await query.orderBy('ledger_entry.idx').limit(limit).execute();
      return rows.map((row) => parseLeaf(row.leaf, row.idx));
    },
    async inclusionProof(index, treeSize) {
      await within(treeSize);
      if (!Number.isSafeInteger(index) || index < 0 || index >= treeSize)
        throw new WaybillError('INVALID_INPUT', `entry ${index} is not in the tree of ${treeSize}`);
      const lookup = await fetchNodes(db, [...nodesFor.inclusion(index, treeSize), ...nodesFor.root(treeSize)]);
      const row = await db.selectFrom('ledger_entry').select('leaf').where('idx', '=', index).executeTakeFirst();
      if (!row) throw new WaybillError('LEDGER_BROKEN', `entry ${index} is missing`);
      return {
        index,
        size: treeSize,
        leaf: leafHash(row.leaf),
        root: rootAt(treeSize, lookup),
        hashes: inclusionProof(index, treeSize, lookup),
      };
    },
    async consistencyProof(from, to) {
      await within(to);
      if (!Number.isSafeInteger(from) || from < 0 || from > to)
        throw new WaybillError('INVALID_INPUT', `a tree of ${from} entries is no prefix of one of ${to}`);
      return consistencyProof(from, to, await fetchNodes(db, nodesFor.consistency(from, to)));
    },
    async checkpoint(signNote, verifiers) {
      const present = await size();
      const note = await signNote({ origin, size: present, root: await root(present) });
      const signed = verifiers ? verifyCheckpoint(note, verifiers) : parseCheckpoint(note);
      if (signed.origin !== origin || signed.root !== (await root(signed.size)))
        throw new WaybillError('LEDGER_BROKEN', `the signed checkpoint (size ${signed.size}) is not of this ledger`);
      const at = clock.now().toISOString();
      await db.transaction().execute(async (trx) => {
        await lockHead(trx);
        const last = await trx
          .selectFrom('ledger_checkpoint')
          .select((eb) => eb.fn.max('id').as('id'))
          .executeTakeFirst();
        await trx
          .insertInto('ledger_checkpoint')
          .values({ id: (last?.id ?? 0) + 1, size: signed.size, root: signed.root, at, note })
          .execute();
      });
      return { origin, size: signed.size, root: signed.root, at, note };
    },
    async latestCheckpoint() {
      const row = await db
        .selectFrom('ledger_checkpoint')
        .selectAll()
        .orderBy('size', 'desc')
        .orderBy('id', 'desc')
        .limit(1)
        .executeTakeFirst();
      return row && { origin, size: row.size, root: row.root as Hash, at: row.at, note: row.note };
    },
  };
}
