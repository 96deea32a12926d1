import type { Store } from '../store/store.ts';
import type { LedgerTables } from './tables.ts';

/**
 * The whole ledger as lines of JSON, for `verifyExport`: a `ledger` line, then every `entry` in order, each `checkpoint` right after the
 * last entry it covers. Verifier keys travel along for reading only: whoever verifies brings the keys that he trusts.
 * Written from pages, so that the memory does not grow with the ledger; what is appended meanwhile may be left out.
 */
export async function* exportLedger(store: Store, verifierKeys: readonly string[] = []): AsyncIterable<string> {
  const db = store.as<LedgerTables>();
  const head = await db.selectFrom('ledger_head').selectAll().where('id', '=', 1).executeTakeFirstOrThrow();
  const checkpoints = await db
    .selectFrom('ledger_checkpoint')
    .select(['size', 'note'])
    .where('size', '<=', head.size)
    .orderBy('size')
    .orderBy('id')
    .execute();
  yield line({ type: 'ledger', version: 1, origin: head.origin, verifierKeys });
  let next = 0;
  const due = function* (size: number) {
    for (let checkpoint = checkpoints[next]; checkpoint && checkpoint.size <= size; checkpoint = checkpoints[next]) {
      yield line({ type: 'checkpoint', note: checkpoint.note });
      next += 1;
    }
  };
  yield* due(0);
  for (let from = 0; from < head.size;) {
    const rows = await db
      .selectFrom('ledger_entry as e')
      .innerJoin('ledger_node as n', (join) => join.onRef('n.idx', '=', 'e.idx').on('n.level', '=', 0))
      .select(['e.idx', 'e.leaf', 'n.hash'])
      .where('e.idx', '>=', from)
      .where('e.idx', '<', head.size)
      .orderBy('e.idx')
      .limit(1_000)
      .execute();
    for (const row of rows) {
      yield line({ type: 'entry', index: row.idx, hash: row.hash, leaf: row.leaf });
      yield* due(row.idx + 1);
    }
    const last = rows.at(-1);
    if (!last) return; // The verification names the first entry that is missing.
    from = last.idx + 1;
  }
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`;
}
