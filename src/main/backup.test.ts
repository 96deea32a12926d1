import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { foldersOf } from '../config/folders.ts';
import { isWaybillError } from '../kernel/error.ts';
import { backup, restore } from './backup.ts';
import { init } from './init.ts';

async function scratchFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-backup-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function dataDirectory(t: TestContext): Promise<{ scratch: string; data: string; to: string; signal: AbortSignal }> {
  const scratch = await scratchFolder(t);
  const data = path.join(scratch, 'data');
  await init({ data, admin: 'admin', email: [] });
  return { scratch, data, to: path.join(scratch, 'backup.tar'), signal: t.signal };
}

test('a file that is there stays as it is, and nothing is left beside it', async (t) => {
  const { scratch, data, to, signal } = await dataDirectory(t);
  await writeFile(to, 'the backup of yesterday');
  await assert.rejects(backup({ data, to, signal }), (error) => isWaybillError(error, 'CONFLICT'));
  assert.equal(await readFile(to, 'utf8'), 'the backup of yesterday');
  assert.deepEqual((await readdir(scratch)).sort(), ['backup.tar', 'data']);
});

test('a backup that fails half-way leaves no file with keys behind', async (t) => {
  const { scratch, data, to } = await dataDirectory(t);
  const stopped = new AbortController();
  const done = backup({ data, to, signal: stopped.signal });
  stopped.abort(new Error('enough'));
  await assert.rejects(done);
  assert.deepEqual(await readdir(scratch), ['data']);
});

test('a backup is not written into the directory that it copies', async (t) => {
  const { data, signal } = await dataDirectory(t);
  await assert.rejects(backup({ data, to: path.join(data, 'backup.tar'), signal }), (error) => isWaybillError(error, 'INVALID_INPUT'));
});

test('empty folders come back, and nobody else may read what was restored', async (t) => {
  const { scratch, data, to, signal } = await dataDirectory(t);
  await mkdir(path.join(data, 'repositories', 'shop.git', 'refs', 'heads'), { recursive: true });
  await backup({ data, to, signal });
  assert.equal((await stat(to)).mode & 0o777, 0o600);
  const again = path.join(scratch, 'again');
  await mkdir(again);
  await chmod(again, 0o755);
  await restore({ data: again, from: to, signal });
  assert.ok((await stat(path.join(again, 'repositories', 'shop.git', 'refs', 'heads'))).isDirectory());
  assert.equal((await stat(again)).mode & 0o777, 0o700);
  assert.equal((await stat(path.join(again, 'signer', 'papers.key.pem'))).mode & 0o777, 0o600);
});

test('what is no backup is said to be none, and leaves nothing behind', async (t) => {
  const scratch = await scratchFolder(t);
  const data = path.join(scratch, 'data');
  const from = path.join(scratch, 'notes.tar');
  await writeFile(from, 'x'.repeat(5_000));
  await assert.rejects(restore({ data, from, signal: t.signal }), (error) => isWaybillError(error, 'INVALID_INPUT'));
  assert.deepEqual(await readdir(data), []);
  const absent = restore({ data, from: path.join(scratch, 'absent.tar'), signal: t.signal });
  await assert.rejects(absent, (error) => isWaybillError(error, 'NOT_FOUND'));
});

test('a server that lets go too early makes the backup fail', async (t) => {
  const { data, to, signal } = await dataDirectory(t);
  const { sockets } = foldersOf(data);
  await mkdir(path.dirname(sockets.control), { recursive: true });
  const hasty: Server = createServer((connection) => {
    connection.once('data', () => connection.end('held\n'));
  });
  await new Promise<void>((resolve) => hasty.listen(sockets.control, resolve));
  t.after(() => hasty.close());
  await assert.rejects(backup({ data, to, signal }), (error) => isWaybillError(error, 'CONFLICT'));
});
