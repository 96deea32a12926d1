import assert from 'node:assert/strict';
import { chmod, chown, mkdir, mkdtemp, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { isWaybillError } from '../kernel/error.ts';
import { privateFolder } from './private-folder.ts';

test('a folder of our own is closed to others; one of somebody else, or a link, is refused', async (t) => {
  const scratch = await mkdtemp(path.join(tmpdir(), 'waybill-private-'));
  t.after(() => rm(scratch, { recursive: true, force: true }));
  const mode = async (folder: string) => (await stat(folder)).mode & 0o777;

  const fresh = path.join(scratch, 'fresh');
  await privateFolder(fresh);
  assert.equal(await mode(fresh), 0o700);

  const open = path.join(scratch, 'open');
  await mkdir(open);
  await chmod(open, 0o755);
  await privateFolder(open);
  assert.equal(await mode(open), 0o750);

  const link = path.join(scratch, 'link');
  await symlink(open, link);
  await assert.rejects(privateFolder(link), (error) => isWaybillError(error, 'FORBIDDEN'));

  // Only root can give a folder away.
  if (process.geteuid?.() !== 0) return;
  const foreign = path.join(scratch, 'foreign');
  await mkdir(foreign);
  await chown(foreign, 12_345, 12_345);
  await assert.rejects(privateFolder(foreign), (error) => isWaybillError(error, 'FORBIDDEN'));
  await privateFolder(fresh, foreign);
});
