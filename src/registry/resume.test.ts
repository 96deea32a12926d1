import { strict as assert } from 'node:assert';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { digestOf } from '../kernel/digest.ts';
import { contentDigestOf } from '../oci/content-digest.ts';
import { registryProcess } from './process.fixture.ts';
import { startTestRegistry } from './registry.fixture.ts';

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-resume-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const bytesOf = (range: string | null) => Number(/^0-(\d+)$/.exec(range ?? '')?.[1]) + 1;

for (const algorithm of ['sha256', 'sha512'] as const)
  test(`an upload goes on after kill -9 where it was, twice, to a blob of its ${algorithm}`, async (t) => {
    const folder = await folderFor(t);
    const content = randomBytes(3_000_000);
    const digest = contentDigestOf(content, algorithm);
    let location: string;
    {
      await using server = await registryProcess(folder);
      location = (await server.call('/v2/shop/shop/blobs/uploads/', { method: 'POST' })).headers.get('location') ?? '';
      const first = await server.call(location, { method: 'PATCH', body: content.subarray(0, 1_000_000) });
      assert.equal(first.status, 202);
    }
    let have: number;
    {
      await using server = await registryProcess(folder);
      const status = await server.call(location);
      assert.equal(status.status, 204);
      assert.equal(status.headers.get('range'), '0-999999', 'what was acknowledged is there');
      // The second crash comes in the middle of a chunk.
      const socket = connect(Number(server.host.split(':')[1]), '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(`PATCH ${location} HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\nAuthorization: Bearer ${server.token}\r\n\r\n`);
      socket.write(content.subarray(1_000_000, 2_500_000));
      const half = async () => bytesOf((await server.call(location)).headers.get('range'));
      while ((await half()) < 2_000_000) await new Promise((resolve) => setTimeout(resolve, 5));
      await server[Symbol.asyncDispose]();
      socket.destroy();
    }
    {
      await using server = await registryProcess(folder);
      assert.equal((await server.call(`/v2/shop/shop/blobs/${digest}`)).status, 404, 'half of it is not served');
      have = bytesOf((await server.call(location)).headers.get('range'));
      assert.ok(have >= 2_000_000 && have <= 2_500_000, String(have));
      const wrong = await server.call(location, {
        method: 'PATCH',
        headers: { 'content-range': `${have + 1}-${have + 10}` },
        body: content.subarray(0, 10),
      });
      assert.equal(wrong.status, 416);
      const last = await server.call(`${location}?digest=${digest}`, { method: 'PUT', body: content.subarray(have) });
      assert.equal(last.status, 201, await last.text());
      const back = await server.call(`/v2/shop/shop/blobs/${digest}`);
      assert.ok(content.equals(new Uint8Array(await back.arrayBuffer())));
      assert.deepEqual(await readdir(join(folder, 'registry', 'uploads')), []);
      assert.deepEqual((await server.fsck()).damages, []);
    }
  });

test('an orderly end keeps uploads too; what nobody touched for too long, or nothing knows, goes', async (t) => {
  const folder = await folderFor(t);
  const uploads = join(folder, 'registry', 'uploads');
  const limits = { uploadIdleMs: 60_000 };
  const pusher = async (server: Awaited<ReturnType<typeof startTestRegistry>>) => {
    const { token } = await server.registry.mintPush({ repository: 'shop/shop', run: 1, ttlMs: 60_000 });
    return (path: string, init: RequestInit = {}) =>
      fetch(`${server.url}${path}`, { ...init, headers: { authorization: `Bearer ${token.reveal()}` } });
  };
  const locations: string[] = [];
  {
    await using server = await startTestRegistry({ folder, limits });
    const call = await pusher(server);
    for (let count = 0; count < 3; count++) {
      const location = (await call('/v2/shop/shop/blobs/uploads/', { method: 'POST' })).headers.get('location') ?? '';
      await call(location, { method: 'PATCH', body: 'abc' });
      locations.push(location);
    }
  }
  const [young = '', old = '', damaged = ''] = locations;
  const pathOf = (location: string) => join(uploads, location.split('/').at(-1) ?? '');
  await utimes(pathOf(old), new Date(), new Date(Date.now() - 61_000));
  await writeFile(`${pathOf(damaged)}.json`, '{"repository":"sho');
  await writeFile(join(uploads, randomUUID()), 'without an owner');
  await writeFile(join(uploads, `${randomUUID()}.json`), '{"repository":"shop/shop"}');
  await writeFile(join(uploads, 'passwd'), 'x');
  await writeFile(join(uploads, 'passwd.json'), '{"repository":"shop/shop"}');
  const escaping = randomUUID();
  await writeFile(join(uploads, escaping), 'x');
  await writeFile(join(uploads, `${escaping}.json`), '{"repository":"../../etc"}');
  await mkdir(join(uploads, randomUUID()));

  await using server = await startTestRegistry({ folder, limits });
  const call = await pusher(server);
  const id = young.split('/').at(-1) ?? '';
  assert.deepEqual((await readdir(uploads)).sort(), [id, `${id}.json`]);
  assert.equal((await call(old)).status, 404);
  assert.equal((await call(damaged)).status, 404);
  const { token } = await server.registry.mintPush({ repository: 'other/other', run: 2, ttlMs: 60_000 });
  const foreign = await fetch(`${server.url}${young.replace('shop/shop', 'other/other')}`, {
    headers: { authorization: `Bearer ${token.reveal()}` },
  });
  assert.equal(foreign.status, 404, "another repository's upload is as good as absent");
  const done = await call(`${young}?digest=${digestOf('abcdef')}`, { method: 'PUT', body: 'def' });
  assert.equal(done.status, 201);
  assert.deepEqual(await readdir(uploads), []);
});

test('bytes that changed while nobody looked end in a digest that does not fit, and are not served', async (t) => {
  const folder = await folderFor(t);
  let location: string;
  {
    await using server = await registryProcess(folder);
    location = (await server.call('/v2/shop/shop/blobs/uploads/', { method: 'POST' })).headers.get('location') ?? '';
    await server.call(location, { method: 'PATCH', body: 'abc' });
  }
  await writeFile(join(folder, 'registry', 'uploads', location.split('/').at(-1) ?? ''), 'abX');
  await using server = await registryProcess(folder);
  const answer = await server.call(`${location}?digest=${digestOf('abcdef')}`, { method: 'PUT', body: 'def' });
  assert.equal(answer.status, 400);
  assert.match(await answer.text(), /DIGEST_INVALID/);
  assert.equal((await server.call(`/v2/shop/shop/blobs/${digestOf('abcdef')}`)).status, 404);
});
