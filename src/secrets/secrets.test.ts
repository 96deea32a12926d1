import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { isWaybillError } from '../kernel/error.ts';
import { Secret } from '../kernel/secret.ts';
import { openStore } from '../store/store.ts';
import { createMasterKey } from './master-key.ts';
import { secretsMigrations } from './migrations.ts';
import { openSecrets } from './secrets.ts';

async function scratch() {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-secrets-'));
  const store = openStore(join(folder, 'db'));
  await store.migrate(secretsMigrations);
  const key = join(folder, 'master.key');
  await createMasterKey(key);
  return {
    folder,
    key,
    store,
    secrets: await openSecrets(store, key),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

type Row = { name: string; key_id: string; wrapped_key: string; value: string };
const unreadable = (pattern: RegExp) => (error: unknown) =>
  isWaybillError(error, 'SECRET_UNREADABLE') && pattern.test(error.detail) && !error.message.includes('hunter2');

test('a value comes back as it was put, can be replaced, listed by name and removed', async () => {
  await using place = await scratch();
  const { secrets } = place;
  await secrets.put('environment/staging/kubeconfig', new Secret('hunter2 ☂'));
  await secrets.put('b', new Secret(''));
  await secrets.put('environment/staging/kubeconfig', new Secret('hunter3'));
  assert.equal((await secrets.get('environment/staging/kubeconfig'))?.reveal(), 'hunter3');
  assert.equal((await secrets.get('b'))?.reveal(), '');
  assert.equal(await secrets.get('missing'), undefined);
  assert.deepEqual(await secrets.list(), ['b', 'environment/staging/kubeconfig']);
  assert.equal(await secrets.remove('b'), true);
  assert.equal(await secrets.remove('b'), false);
  assert.equal(inspect(await secrets.get('environment/staging/kubeconfig')), '***');
});

test('nothing of a value is in the database file, and equal values look different', async () => {
  await using place = await scratch();
  await place.secrets.put('a', new Secret('hunter2-hunter2'));
  await place.secrets.put('b', new Secret('hunter2-hunter2'));
  await place.store.backup(join(place.folder, 'copy'));
  const bytes = await readFile(join(place.folder, 'copy'));
  assert.equal(bytes.includes('hunter2'), false);
  assert.equal(bytes.includes(Buffer.from('hunter2-hunter2').toString('base64')), false);
  const rows = await place.store.as<{ sealed_secret: Row }>().selectFrom('sealed_secret').selectAll().execute();
  assert.notEqual(rows[0]?.value, rows[1]?.value);
  assert.notEqual(rows[0]?.wrapped_key, rows[1]?.wrapped_key);
});

test('every changed byte, a swapped name and parts of another value are noticed', async () => {
  await using place = await scratch();
  const db = place.store.as<{ sealed_secret: Row }>();
  await place.secrets.put('a', new Secret('hunter2'));
  await place.secrets.put('b', new Secret('other'));
  const rows = await db.selectFrom('sealed_secret').selectAll().orderBy('name').execute();
  const [a, b] = rows;
  assert.ok(a && b);
  const flipped = (text: string, at: number) => {
    const bytes = Buffer.from(text, 'base64');
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    return bytes.toString('base64');
  };
  const attacks: Partial<Row>[] = [
    ...Array.from(Buffer.from(a.value, 'base64'), (_, at) => ({ value: flipped(a.value, at) })),
    ...Array.from(Buffer.from(a.wrapped_key, 'base64'), (_, at) => ({ wrapped_key: flipped(a.wrapped_key, at) })),
    { value: b.value },
    { wrapped_key: b.wrapped_key },
    { value: b.value, wrapped_key: b.wrapped_key },
    { value: '' },
    { value: a.value.slice(0, 20) },
  ];
  for (const attack of attacks) {
    await db
      .updateTable('sealed_secret')
      .set({ ...a, ...attack })
      .where('name', '=', 'a')
      .execute();
    await assert.rejects(place.secrets.get('a'), unreadable(/changed in the database/), inspect(attack));
  }
  await db.updateTable('sealed_secret').set(a).where('name', '=', 'a').execute();
  assert.equal((await place.secrets.get('a'))?.reveal(), 'hunter2');
});

test('another master key is told apart from a changed value', async () => {
  await using place = await scratch();
  await place.secrets.put('a', new Secret('hunter2'));
  await createMasterKey(join(place.folder, 'other.key'));
  const other = await openSecrets(place.store, join(place.folder, 'other.key'));
  await assert.rejects(other.get('a'), unreadable(/was sealed with the master key [0-9a-f]{16}, not with this one/));
});

test('a master key file is private, never overwritten, and refused when others may read it', async () => {
  await using place = await scratch();
  assert.equal((await stat(place.key)).mode & 0o777, 0o600);
  await assert.rejects(createMasterKey(place.key), (error) => isWaybillError(error, 'CONFLICT'));
  for (const mode of [0o640, 0o604, 0o660, 0o644]) {
    await chmod(place.key, mode);
    await assert.rejects(openSecrets(place.store, place.key), unreadable(/others than its owner/));
  }
  await chmod(place.key, 0o400);
  await openSecrets(place.store, place.key);
  await symlink(place.key, join(place.folder, 'link'));
  await assert.rejects(openSecrets(place.store, join(place.folder, 'link')), unreadable(/cannot be read/));
  await assert.rejects(openSecrets(place.store, join(place.folder, 'missing')), unreadable(/cannot be read/));
  await assert.rejects(openSecrets(place.store, place.folder), unreadable(/not a master key file/));
});

test('odd names and oversized values are refused', async () => {
  await using place = await scratch();
  for (const name of ['', '/a', 'a/', 'a//b', '../a', 'a b', 'a\0b', 'x'.repeat(201)])
    await assert.rejects(place.secrets.put(name, new Secret('x')), (error) => isWaybillError(error, 'INVALID_INPUT'), name);
  await assert.rejects(place.secrets.put('a', new Secret('x'.repeat(1024 * 1024 + 1))), (error) => isWaybillError(error, 'LIMIT_EXCEEDED'));
});
