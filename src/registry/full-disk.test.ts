import { strict as assert } from 'node:assert';
import { randomBytes } from 'node:crypto';
import { mkdtemp, open, readdir, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { digestOf } from '../kernel/digest.ts';
import { ociManifest } from '../oci/media-types.ts';
import { registryProcess } from './process.fixture.ts';

/** A registry and its database on a file system of 8 MB, in a mount namespace that ends with the process. */
async function onSmallDisk(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-full-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const script = 'mount -t tmpfs -o size=8m none "$0" && exec "$@"';
  try {
    const server = await registryProcess(folder, ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', script, folder]);
    return { server, inside: `/proc/${server.pid}/root${folder}` };
  } catch {
    // oxlint-disable-next-line no-console -- a skipped test is said aloud
    console.warn('SKIPPED: a full disk (no small file system can be mounted here)');
    t.skip('no small file system can be mounted here');
    return undefined;
  }
}

const push = (content: Buffer) => [`/v2/shop/shop/blobs/uploads/?digest=${digestOf(content)}`, { method: 'POST', body: content }] as const;

test('a full disk is said so, and leaves nothing behind', async (t) => {
  const small = await onSmallDisk(t);
  if (!small) return;
  await using server = small.server;
  const large = randomBytes(12_000_000);
  for (let tries = 0; tries < 3; tries++) {
    const refused = await server.call(...push(large));
    assert.equal(refused.status, 507);
    assert.match(await refused.text(), /disk of the registry is full/);
  }
  // The same in pieces: the upload is gone, and says so.
  const begun = (await server.call('/v2/shop/shop/blobs/uploads/', { method: 'POST' })).headers.get('location') ?? '';
  assert.equal((await server.call(begun, { method: 'PATCH', body: large })).status, 507);
  assert.equal((await server.call(begun)).status, 404);
  const fits = await server.call(...push(randomBytes(5_000_000)));
  assert.equal(fits.status, 201, 'the space of the refused ones is free again');
});

test('with not a byte left, database and all: writes are refused with 507, reads go on, and all is well when there is room again', async (t) => {
  const small = await onSmallDisk(t);
  if (!small) return;
  await using server = small.server;
  const config = Buffer.from('{}');
  assert.equal((await server.call(...push(config))).status, 201);
  const manifest = (note: string) =>
    JSON.stringify({
      schemaVersion: 2,
      mediaType: ociManifest,
      config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf(config), size: config.length },
      layers: [],
      annotations: { note },
    });
  const put = (tag: string, note: string) =>
    server.call(`/v2/shop/shop/manifests/${tag}`, { method: 'PUT', headers: { 'content-type': ociManifest }, body: manifest(note) });
  assert.equal((await put('before', 'before')).status, 201);

  const filler = join(small.inside, 'filler');
  {
    await using file = await open(filler, 'w');
    const { bavail, bsize } = await statfs(small.inside);
    await file.write(Buffer.alloc(bavail * bsize));
  }
  assert.equal((await statfs(small.inside)).bavail, 0);
  for (let tries = 0; tries < 3; tries++) {
    assert.equal((await server.call(...push(randomBytes(100)))).status, 507);
    const started = await server.call('/v2/shop/shop/blobs/uploads/', { method: 'POST' });
    assert.equal(started.status, 202, 'nothing is on the disk before the first byte');
    const upload = started.headers.get('location') ?? '';
    for (const [method, query] of [
      ['PATCH', ''],
      ['PUT', `?digest=${digestOf(config)}`],
    ] as const)
      assert.equal((await server.call(`${upload}${query}`, { method, body: config })).status, 507, method);
    const refused = await put(`full-${tries}`, 'x'.repeat(1_000_000));
    assert.equal(refused.status, 507);
    assert.match(await refused.text(), /disk of the registry is full/);
    assert.equal(await (await server.call('/v2/shop/shop/manifests/before')).text(), manifest('before'));
    assert.equal((await server.call(`/v2/shop/shop/blobs/${digestOf(config)}`)).status, 200);
  }
  await rm(filler);
  for (let tries = 0; tries < 3; tries++) assert.equal((await server.call(`/v2/shop/shop/manifests/full-${tries}`)).status, 404);
  assert.equal((await put('after', 'x'.repeat(1_000_000))).status, 201);
  assert.equal((await server.call(...push(randomBytes(100)))).status, 201);
  assert.deepEqual((await server.fsck()).damages, []);
});

test('a limit on the size of files is a full disk too, and ends nothing', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-full-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await using server = await registryProcess(folder, ['prlimit', '--fsize=4000000']);
  for (let tries = 0; tries < 2; tries++) assert.equal((await server.call(...push(randomBytes(5_000_000)))).status, 507);
  assert.deepEqual(await readdir(join(folder, 'registry', 'uploads')), []);
  assert.equal((await server.call(...push(randomBytes(3_000_000)))).status, 201);
});
