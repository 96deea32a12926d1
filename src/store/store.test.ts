import assert from 'node:assert/strict';
import { mkdtemp, rename, rm } from 'node:fs/promises';
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

test('a commit aside is one transaction, leaves the next commits as durable as before, and is told when its log cannot be synced', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-store-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'store.sqlite');
  await using store = openStore(file);
  await store.migrate(migrations);
  const db = store.as<Tables>();
  const mode = async () => (await sql<{ synchronous: number }>`PRAGMA synchronous`.execute(db)).rows[0]?.synchronous;
  const full = 2;
  assert.equal(await mode(), full);

  // Without its log nothing is durable: one that is not there stands for a disk that does not answer.
  await rename(`${file}-wal`, `${file}-away`);
  const add = (id: number) =>
    store.commitAside<Tables>(async (trx) => void (await trx.insertInto('thing').values({ id, text: 'aside' }).execute()));
  await assert.rejects(add(1), (error) => isWaybillError(error, 'STORE_FAILED'));
  await rename(`${file}-away`, `${file}-wal`);
  await add(2);
  assert.equal(await mode(), full);

  await assert.rejects(
    store.commitAside<Tables>(async (trx) => {
      await trx.insertInto('thing').values({ id: 3, text: 'half' }).execute();
      throw new Error('no');
    }),
    /^Error: no$/,
  );
  assert.equal(await mode(), full);
  await Promise.all([add(4), db.insertInto('thing').values({ id: 5, text: 'between' }).execute(), add(6)]);

  // What another connection reads is what is in the file and its log.
  await using other = openStore(file, { readonly: true });
  const ids = await other.as<Tables>().selectFrom('thing').select('id').orderBy('id').execute();
  assert.deepEqual(
    ids.map((row) => row.id),
    [1, 2, 4, 5, 6],
  );
});

test('a commit aside in memory', async () => {
  await using store = openStore(':memory:');
  await store.migrate(migrations);
  await store.commitAside<Tables>(async (trx) => void (await trx.insertInto('thing').values({ id: 1, text: 'here' }).execute()));
  assert.equal((await store.as<Tables>().selectFrom('thing').selectAll().execute()).length, 1);
});
