import type { Kysely } from 'kysely';
import type { Clock } from '../kernel/clock.ts';
import { WaybillError } from '../kernel/error.ts';
import { leafOf, type NewEntry } from './entry.ts';
import { leafHash, nodesCompletedBy, siblings, type Hash, type Node, type NodeLookup } from './merkle.ts';
import type { LedgerTables } from './tables.ts';

export type Appended = { readonly index: number; readonly leafHash: Hash; readonly at: string };

/** Appends within the caller's transaction. The first statement takes the head's lock, in this process and in others. */
export async function appendIn(trx: Kysely<LedgerTables>, clock: Clock, entry: NewEntry): Promise<Appended> {
  const head = await trx
    .updateTable('ledger_head')
    .set((eb) => ({ size: eb('size', '+', 1) }))
    .where('id', '=', 1)
    .returning('size')
    .executeTakeFirst();
  if (!head) throw new WaybillError('STORE_FAILED', 'the ledger has no head; it was not opened');
  const index = head.size - 1;
  const at = clock.now().toISOString();
  const { leaf, subject } = leafOf(entry, index, at);
  const hash = leafHash(leaf);
  await trx.insertInto('ledger_entry').values({ idx: index, kind: entry.kind, at, leaf }).execute();
  if (subject.length > 0)
    await trx
      .insertInto('ledger_subject')
      .values(subject.map((text) => ({ subject: text, idx: index, kind: entry.kind })))
      .execute();
  const completed = nodesCompletedBy(index, hash, await fetchNodes(trx, siblings(index)));
  await trx
    .insertInto('ledger_node')
    .values(completed.map((node) => ({ level: node.level, idx: node.index, hash: node.hash })))
    .execute();
  return { index, leafHash: hash, at };
}

/**
 * Takes the head's lock: the first statement of a transaction that reads before it appends. Without it SQLite would have to
 * turn a read transaction into a writing one, and refuses that when another process wrote in between.
 */
export async function lockHead(trx: Kysely<LedgerTables>): Promise<void> {
  await trx
    .updateTable('ledger_head')
    .set((eb) => ({ size: eb('size', '+', 0) }))
    .where('id', '=', 1)
    .execute();
}

/** Reads the hashes of `nodes`, a query per level, for a look-up without I/O. @throws WaybillError LEDGER_BROKEN */
export async function fetchNodes(db: Kysely<LedgerTables>, nodes: readonly Node[]): Promise<NodeLookup> {
  const found = new Map<string, Hash>();
  for (const [level, group] of Map.groupBy(nodes, (node) => node.level)) {
    const rows = await db
      .selectFrom('ledger_node')
      .selectAll()
      .where('level', '=', level)
      .where(
        'idx',
        'in',
        group.map((node) => node.index),
      )
      .execute();
    for (const row of rows) found.set(`${row.level}/${row.idx}`, row.hash as Hash);
  }
  return ({ level, index }) => {
    const hash = found.get(`${level}/${index}`);
    if (hash === undefined) throw new WaybillError('LEDGER_BROKEN', `the ledger lacks the tree's node ${level}/${index}`);
    return hash;
  };
}
