import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../kernel/clock.ts';
import type { GitOid } from '../kernel/git-oid.ts';
import type { ChangeId, PersonId, RepositoryName } from '../kernel/ids.ts';
import { openLedger } from '../ledger/ledger.ts';
import { ledgerMigrations } from '../ledger/migrations.ts';
import type { ReviewedCommit } from '../source/port.ts';
import { openStore } from '../store/store.ts';
import { recordMerge, recordMissingMerges } from './record-merge.ts';

const merged = (change: number): ReviewedCommit => {
  const oid = (digit: number) => String(digit % 10).repeat(40) as GitOid;
  return {
    repository: 'shop' as RepositoryName,
    change: change as ChangeId,
    version: 1,
    base: oid(0),
    head: oid(change + 4),
    reviewedTree: oid(9),
    onto: oid(0),
    commit: oid(change),
    tree: oid(9),
    method: 'identical',
    approvals: [{ reviewer: 'rita' as PersonId, at: '2026-11-22T10:00:00.000Z' }],
    mergedBy: 'rita' as PersonId,
    mergedAt: '2026-11-22T10:00:00.000Z',
  };
};

test('merges that a crash kept out of the ledger are written down once, in their order', async () => {
  await using store = openStore(':memory:');
  await store.migrate(ledgerMigrations);
  const ledger = await openLedger(store, systemClock, 'waybill.test/ledger');
  const changes = async () =>
    (await ledger.entries({ kind: 'merge', limit: 10 })).map((entry) => (entry.body as { change: number }).change);
  await recordMerge({ ledger }, merged(1));
  const newestFirst = [merged(3), merged(2), merged(1)];
  assert.equal(await recordMissingMerges({ ledger }, newestFirst), 2);
  assert.deepEqual(await changes(), [1, 2, 3]);
  assert.equal(await recordMissingMerges({ ledger }, newestFirst), 0);
  assert.deepEqual(await changes(), [1, 2, 3]);
});
