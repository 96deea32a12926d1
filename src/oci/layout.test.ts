import { strict as assert } from 'node:assert';
import { mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { digestOf } from '../kernel/digest.ts';
import { createLayout, openLayout, refNameAnnotation } from './layout.ts';
import { ociManifest } from './media-types.ts';

async function temporary(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'waybill-layout-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

test('blobs are hashed while they are written, and read back checked', async () => {
  await using folder = await temporary();
  const layout = await createLayout(join(folder.path, 'new'));
  const descriptor = await layout.addBlob(Readable.from([Buffer.from('ab'), Buffer.from('c')]), 'a/b');
  assert.deepEqual(descriptor, { mediaType: 'a/b', digest: digestOf('abc'), size: 3 });
  assert.equal((await layout.readBlob(descriptor.digest)).toString(), 'abc');
  assert.equal((await buffer(await layout.openBlob(descriptor.digest))).toString(), 'abc');
  assert.deepEqual(await layout.addBlob(Buffer.from('abc'), 'a/b', { expected: descriptor }), descriptor);
  assert.equal(await layout.hasBlob(digestOf('other')), false);

  const wrong = { code: 'DIGEST_MISMATCH' };
  await assert.rejects(layout.addBlob(Buffer.from('abd'), 'a/b', { expected: descriptor }), wrong);
  await assert.rejects(layout.addBlob(Buffer.from('abcd'), 'a/b', { expected: descriptor }), wrong);
  await assert.rejects(layout.addBlob(Readable.from(failing()), 'a/b'), /broke/);
  assert.deepEqual(await readdir(join(layout.folder, 'blobs')), ['sha256'], 'nothing half-written is left');

  await writeFile(layout.blobPath(descriptor.digest), 'abd');
  await assert.rejects(layout.readBlob(descriptor.digest), wrong);
  await assert.rejects(buffer(await layout.openBlob(descriptor.digest)), wrong);
  await assert.rejects(layout.readBlob(descriptor.digest, 2), { code: 'LIMIT_EXCEEDED' });
  await assert.rejects(layout.readBlob(digestOf('other')), { code: 'NOT_FOUND' });
  await symlink('/dev/zero', layout.blobPath(digestOf('other')));
  await assert.rejects(layout.openBlob(digestOf('other')), { code: 'INVALID_INPUT' });
});

test('entries of the index, also when many are added at once', async () => {
  await using folder = await temporary();
  const layout = await createLayout(folder.path);
  const one = { mediaType: ociManifest, digest: digestOf('1'), size: 1 };
  await Promise.all(['a', 'b', 'a', 'c'].map((tag) => layout.addEntry(one, { [refNameAnnotation]: tag })));
  const again = await createLayout(folder.path);
  assert.deepEqual((await again.entries()).map((entry) => entry.annotations?.[refNameAnnotation]).sort(), ['a', 'b', 'c']);
});

test('a folder that is no layout is refused', async () => {
  await using folder = await temporary();
  await assert.rejects(openLayout(folder.path), { code: 'NOT_FOUND' });
  await writeFile(join(folder.path, 'oci-layout'), '{"imageLayoutVersion":"9"}');
  await assert.rejects(openLayout(folder.path), { code: 'INVALID_INPUT' });
});

async function* failing() {
  yield Buffer.from('ab');
  throw new Error('broke');
}

test('a blob that fails before its reader begins fails its reader, and not the process', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-layout-'));
  try {
    const layout = await createLayout(folder);
    const { digest } = await layout.addBlob(Buffer.from('right'), 'text/plain');
    await writeFile(layout.blobPath(digest), 'wrong');
    const stream = await layout.openBlob(digest);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await assert.rejects(layout.addBlob(stream, 'text/plain'), /DIGEST_MISMATCH|is sha256:|digest/i);
  } finally {
    await rm(folder, { recursive: true });
  }
});
