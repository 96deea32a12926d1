import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { sql } from 'kysely';
import { isWaybillError } from '../kernel/error.ts';
import { openStore, type Migration } from './store.ts';

type Tables = { thing: { id: number; text: string } };
const migrations: Migration[] = [
  {
    id: '000-thing',
    async up(db) {
      await db.schema
        .createTable('thing')
        .addColumn('id', 'integer', (c) => c.primaryKey())
        .addColumn('text', 'text', (c) => c.notNull())
        .execute();
    },
  },
];

test('a full disk is told as one, the transaction is gone, and the store goes on when there is room again', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-store-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await using store = openStore(path.join(folder, 'store.sqlite'));
  await store.migrate(migrations);
  const db = store.as<Tables>();
  const add = (id: number, text: string) =>
    db.transaction().execute(async (trx) => {
      await trx.insertInto('thing').values({ id, text: 'before' }).execute();
      await trx
        .insertInto('thing')
        .values({ id: id + 1, text })
        .execute();
    });
  // What SQLite does on a full disk it does at its own limit of pages too.
  await sql`PRAGMA max_page_count = 10`.execute(db);
  await assert.rejects(
    add(1, 'x'.repeat(1_000_000)),
    (error) => isWaybillError(error, 'STORE_FAILED') && /disk is full/.test(error.detail),
  );
  assert.deepEqual(await db.selectFrom('thing').selectAll().execute(), []);
  await sql`PRAGMA max_page_count = 100000`.execute(db);
  await add(1, 'y');
  assert.equal((await db.selectFrom('thing').selectAll().execute()).length, 2);
});

test('a mistake of a statement stays what it is', async () => {
  await using store = openStore(':memory:');
  await store.migrate(migrations);
  const db = store.as<Tables>();
  await db.insertInto('thing').values({ id: 1, text: 'a' }).execute();
  await assert.rejects(db.insertInto('thing').values({ id: 1, text: 'b' }).execute(), /UNIQUE/);
});
