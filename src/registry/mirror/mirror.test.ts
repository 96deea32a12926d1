import { strict as assert } from 'node:assert';
import { randomBytes } from 'node:crypto';
import { readdir, rm, truncate, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import { digestOf } from '../../kernel/digest.ts';
import { pull, startMirroring, startUpstream, type MirroringRegistry } from './mirror.fixture.ts';

const bytesOf = async (response: Response) => Buffer.from(await response.arrayBuffer());
const minutes = 60_000;

test('an image is fetched once, and is here when the upstream is gone', async () => {
  await using upstream = await startUpstream();
  const image = upstream.addImage('team/base', 'v1');
  await using registry = await startMirroring(upstream);
  const [layer] = image.layers;
  const first = await pull(registry, '/v2/mirror/up/team/base/manifests/v1');
  assert.equal(first.status, 200);
  assert.equal(first.headers.get('docker-content-digest'), image.manifest);
  assert.equal(first.headers.get('cache-status'), 'waybill; fwd=miss; stored; ttl=300');
  assert.equal(digestOf(await bytesOf(first)), image.manifest);
  const blob = await pull(registry, `/v2/mirror/up/team/base/blobs/${layer}`);
  assert.equal(digestOf(await bytesOf(blob)), layer);
  const asked = upstream.asked.length;
  for (const reference of ['v1', image.manifest]) {
    const again = await pull(registry, `/v2/mirror/up/team/base/manifests/${reference}`);
    assert.match(again.headers.get('cache-status') ?? '', /^waybill; hit/);
    assert.equal(digestOf(await bytesOf(again)), image.manifest);
  }
  assert.equal(digestOf(await bytesOf(await pull(registry, `/v2/mirror/up/team/base/blobs/${layer}`))), layer);
  assert.equal(upstream.asked.length, asked);

  await upstream[Symbol.asyncDispose]();
  registry.time.aheadMs = 60 * minutes;
  const stale = await pull(registry, '/v2/mirror/up/team/base/manifests/v1');
  assert.equal(stale.status, 200);
  assert.match(stale.headers.get('waybill-stale') ?? '', /^checked 2.*does not answer/);
  assert.match(stale.headers.get('cache-status') ?? '', /ttl=-\d+; detail=stale/);
  assert.equal(digestOf(await bytesOf(stale)), image.manifest);
  assert.ok(registry.logged.some(({ level, message }) => level === 'warn' && message === 'A tag is served that could not be checked'));
  assert.equal((await pull(registry, `/v2/mirror/up/team/base/blobs/${layer}`)).status, 200);
  assert.equal((await pull(registry, '/v2/mirror/up/team/base/manifests/v2')).status, 503);
  assert.deepEqual(await (await pull(registry, '/v2/mirror/up/team/base/tags/list')).json(), { name: 'mirror/up/team/base', tags: ['v1'] });
});

test('a tag is taken for what it was for its time, then asked about, and followed', async () => {
  await using upstream = await startUpstream();
  const old = upstream.addImage('base', 'latest');
  await using registry = await startMirroring(upstream, { record: { mirror: { tagSeconds: 600 } } });
  const look = async () => {
    const response = await pull(registry, '/v2/mirror/up/base/manifests/latest');
    return [response.headers.get('docker-content-digest'), response.headers.get('cache-status')];
  };
  await look();
  registry.time.aheadMs = 11 * minutes;
  assert.deepEqual(await look(), [old.manifest, 'waybill; hit; ttl=600; detail=revalidated']);
  assert.equal(upstream.asked.at(-1), 'HEAD /v2/base/manifests/latest');
  const newer = upstream.addImage('base', 'latest');
  registry.time.aheadMs = 20 * minutes;
  assert.equal((await look())[0], old.manifest);
  registry.time.aheadMs = 22 * minutes;
  assert.deepEqual(await look(), [newer.manifest, 'waybill; fwd=miss; stored; ttl=600']);
  assert.equal((await pull(registry, `/v2/mirror/up/base/manifests/${old.manifest}`)).status, 200);
  upstream.manifests.delete('base:latest');
  registry.time.aheadMs = 33 * minutes;
  assert.equal((await pull(registry, '/v2/mirror/up/base/manifests/latest')).status, 404);
});

test('a blob is given to all who wait for it while it comes, and is fetched once', async () => {
  await using upstream = await startUpstream();
  const layer = randomBytes(3_000_000);
  upstream.addImage('base', 'v1', [layer]);
  const held = Promise.withResolvers<ServerResponse>();
  upstream.script = (request, response) => {
    if (!request.url?.includes(digestOf(layer))) return false;
    response.writeHead(200, { 'content-length': layer.length }).write(layer.subarray(0, 1_000_000));
    held.resolve(response);
    return true;
  };
  await using registry = await startMirroring(upstream);
  const url = `/v2/mirror/up/base/blobs/${digestOf(layer)}`;
  const clients = await Promise.all([1, 2, 3].map(() => pull(registry, url)));
  const part = await pull(registry, url, { headers: { range: 'bytes=10-19' } });
  assert.equal(part.status, 206);
  assert.deepEqual(await bytesOf(part), layer.subarray(10, 20));
  for (const client of clients) assert.equal(client.headers.get('content-length'), String(layer.length));
  const bodies = clients.map(async (client) => digestOf(await bytesOf(client)));
  (await held.promise).end(layer.subarray(1_000_000));
  assert.deepEqual(await Promise.all(bodies), [digestOf(layer), digestOf(layer), digestOf(layer)]);
  assert.equal(upstream.asked.filter((each) => each.includes('/blobs/')).length, 1);
  const tail = await pull(registry, url, { headers: { range: 'bytes=-5' } });
  assert.deepEqual(await bytesOf(tail), layer.subarray(-5));
  assert.equal((await pull(registry, url, { headers: { range: 'bytes=3000000-' } })).status, 416);
  assert.equal((await pull(registry, url, { method: 'HEAD' })).headers.get('content-length'), '3000000');
});

test('one client that goes away takes nothing from the others, and the fetch goes on', async () => {
  await using upstream = await startUpstream();
  const layer = randomBytes(2_000_000);
  upstream.addImage('base', 'v1', [layer]);
  const held = Promise.withResolvers<ServerResponse>();
  upstream.script = (request, response) => {
    if (!request.url?.includes(digestOf(layer))) return false;
    response.writeHead(200).write(layer.subarray(0, 500_000));
    held.resolve(response);
    return true;
  };
  await using registry = await startMirroring(upstream);
  const url = `/v2/mirror/up/base/blobs/${digestOf(layer)}`;
  const leaving = new AbortController();
  await pull(registry, url, { signal: leaving.signal });
  const staying = await pull(registry, url);
  leaving.abort();
  (await held.promise).end(layer.subarray(500_000));
  assert.equal(digestOf(await bytesOf(staying)), digestOf(layer));
  assert.equal((await pull(registry, url, { method: 'HEAD' })).headers.get('content-length'), '2000000');
});

test('nobody reads it without a login, a pull secret of an environment does not cover it, and nobody pushes', async () => {
  await using upstream = await startUpstream();
  upstream.addImage('base', 'v1');
  await using registry = await startMirroring(upstream);
  const url = '/v2/mirror/up/base/manifests/v1';
  const anonymous = await fetch(`${registry.url}${url}`);
  assert.equal(anonymous.status, 401);
  assert.match(anonymous.headers.get('www-authenticate') ?? '', /scope="repository:mirror\/up\/base:pull"/);
  const secret = await registry.registry.mintPull({ environment: 'production', repositories: ['shop/web'], ttlMs: minutes });
  const login = Buffer.from(`${secret.username}:${secret.password.reveal()}`).toString('base64');
  assert.equal((await fetch(`${registry.url}${url}`, { headers: { authorization: `Basic ${login}` } })).status, 403);
  using push = await registry.registry.mintPush({ repository: 'shop/web', run: 1, ttlMs: minutes });
  const bearer = { authorization: `Bearer ${push.token.reveal()}` };
  assert.equal((await fetch(`${registry.url}${url}`, { headers: bearer })).status, 403);
  assert.deepEqual(upstream.asked, []);

  const image = upstream.addImage('base', 'v2');
  await bytesOf(await pull(registry, `/v2/mirror/up/base/blobs/${image.layers[0]}`));
  const mounted = await fetch(`${registry.url}/v2/shop/web/blobs/uploads/?mount=${image.layers[0]}&from=mirror/up/base`, {
    method: 'POST',
    headers: bearer,
  });
  assert.equal(mounted.status, 202);
  for (const [method, where] of [
    ['POST', 'blobs/uploads/'],
    ['PUT', 'manifests/v1'],
    ['DELETE', 'manifests/v1'],
  ] as const)
    for (const headers of [bearer, {}])
      assert.equal((await pull(registry, `/v2/mirror/up/base/${where}`, { method, headers })).status, 403);
  await assert.rejects(registry.registry.mintPush({ repository: 'mirror/up/base', run: 1, ttlMs: minutes }), { code: 'INVALID_INPUT' });
});

test('containerd names the registry with ns=: a mirror of it answers, and never our own repository of that name', async () => {
  await using upstream = await startUpstream();
  const image = upstream.addImage('base', 'v1');
  await using registry = await startMirroring(upstream);
  const found = await pull(registry, `/v2/base/manifests/v1?ns=${upstream.host}`);
  assert.equal(found.headers.get('docker-content-digest'), image.manifest);
  const both = await pull(registry, `/v2/mirror/up/base/manifests/v1?ns=${upstream.host}`);
  assert.equal(both.status, 200);
  assert.equal((await pull(registry, '/v2/base/manifests/v1?ns=docker.io')).status, 404);
  assert.equal((await pull(registry, `/v2/base/manifests/v1?ns=${registry.host}`)).status, 404);
  const challenged = await fetch(`${registry.url}/v2/base/manifests/v1?ns=${upstream.host}`);
  assert.equal(challenged.status, 401);
  assert.match(challenged.headers.get('www-authenticate') ?? '', /scope="repository:mirror\/up\/base:pull"/);
  const scopes = 'scope=repository:mirror/up/base:pull&scope=repository:base:pull';
  const { token } = (await (await pull(registry, `/registry/token?service=x&${scopes}`)).json()) as { token: string };
  const bearer = { authorization: `Bearer ${token}` };
  assert.equal((await fetch(`${registry.url}/v2/base/manifests/v1?ns=${upstream.host}`, { headers: bearer })).status, 200);
  assert.equal((await pull(registry, '/v2/mirror/other/base/manifests/v1')).status, 404);
});

test('a prefix is all that the mirror fetches', async () => {
  await using upstream = await startUpstream();
  upstream.addImage('public/base', 'v1');
  upstream.addImage('private/base', 'v1');
  await using registry = await startMirroring(upstream, { record: { prefix: 'public' } });
  assert.equal((await pull(registry, '/v2/mirror/up/public/base/manifests/v1')).status, 200);
  assert.equal((await pull(registry, '/v2/mirror/up/private/base/manifests/v1')).status, 404);
  assert.equal((await pull(registry, '/v2/mirror/up/publicity/manifests/v1')).status, 404);
  assert.equal(upstream.asked.length, 1);
});

const filesOf = async (registry: MirroringRegistry) =>
  (await readdir(path.join(registry.folder, 'mirror', 'blobs'), { recursive: true })).filter((name) => name.length > 60);

test('the least recently used goes when the quota is full, and nothing that is being read', async () => {
  await using upstream = await startUpstream();
  const [a, b, c] = [randomBytes(400_000), randomBytes(400_000), randomBytes(400_000)];
  upstream.addImage('base', 'v1', [a, b, c]);
  await using registry = await startMirroring(upstream, { record: { mirror: { quotaBytes: 1_000_000 } } });
  const get = (blob: Buffer) => pull(registry, `/v2/mirror/up/base/blobs/${digestOf(blob)}`);
  await bytesOf(await get(a));
  registry.time.aheadMs += 2 * minutes;
  await bytesOf(await get(b));
  registry.time.aheadMs += 2 * minutes;
  await bytesOf(await get(a));
  registry.time.aheadMs += 2 * minutes;
  await bytesOf(await get(c));
  const held = new Set((await filesOf(registry)).map((name) => `sha256:${path.basename(name)}`));
  assert.deepEqual(
    [a, b, c].map((blob) => held.has(digestOf(blob))),
    [true, false, true],
  );

  registry.time.aheadMs += 2 * minutes;
  const { mirrors } = registry.registry;
  const mirror = await mirrors?.find({ name: 'up' });
  assert.ok(mirrors && mirror);
  const reading = await mirrors.blob(mirror, 'base', digestOf(a));
  assert.ok(reading.kind === 'found');
  await bytesOf(await get(b));
  assert.deepEqual(
    new Set((await filesOf(registry)).map((name) => path.basename(name))),
    new Set([a, b].map((blob) => digestOf(blob).slice(7))),
  );
  await reading.value.source[Symbol.asyncDispose]();
  assert.equal((await pull(registry, `/v2/mirror/up/base/blobs/${digestOf(randomBytes(3))}`)).status, 404);
  const big = randomBytes(1_000_001);
  upstream.addImage('base', 'big', [big]);
  assert.equal((await get(big)).status, 507);
  assert.equal((await filesOf(registry)).length, 2);
});

test('a collection keeps to the quota, takes what a removed mirror left, and files that no row names', async () => {
  await using upstream = await startUpstream();
  const image = upstream.addImage('base', 'v1', [randomBytes(100_000)]);
  await using registry = await startMirroring(upstream);
  const { mirrors } = registry.registry;
  assert.ok(mirrors);
  await bytesOf(await pull(registry, '/v2/mirror/up/base/manifests/v1'));
  await bytesOf(await pull(registry, `/v2/mirror/up/base/blobs/${image.layers[0]}`));
  assert.deepEqual(await mirrors.collect(AbortSignal.timeout(10_000)), { items: 0, bytes: 0 });
  const [state] = await mirrors.list();
  assert.equal(state?.blobs, 1);
  assert.equal(state?.manifests, 1);
  const [cached] = await mirrors.contents(state, 10);
  assert.deepEqual([cached?.repository, cached?.tags.map(({ tag }) => tag)], ['base', ['v1']]);
  await registry.externals.remove('up');
  assert.equal((await pull(registry, '/v2/mirror/up/base/manifests/v1')).status, 404);
  assert.equal((await pull(registry, `/v2/mirror/up/base/blobs/${image.layers[0]}`)).status, 404);
  assert.equal((await mirrors.collect(AbortSignal.timeout(10_000))).items, 2);
  assert.deepEqual(await filesOf(registry), []);
});

test('a file that the disk lost, cut off or changed is fetched again', async () => {
  await using upstream = await startUpstream();
  const layer = randomBytes(100_000);
  upstream.addImage('base', 'v1', [layer]);
  await using registry = await startMirroring(upstream);
  const get = async () => bytesOf(await pull(registry, `/v2/mirror/up/base/blobs/${digestOf(layer)}`));
  await get();
  const [name = ''] = await filesOf(registry);
  const file = path.join(registry.folder, 'mirror', 'blobs', name);
  await rm(file);
  assert.deepEqual(await get(), layer);
  await truncate(file, 5_000);
  assert.deepEqual(await get(), layer);
  assert.equal(upstream.asked.length, 3);
  const changed = Buffer.from(layer);
  changed[7] = (changed[7] ?? 0) ^ 1;
  await writeFile(file, changed);
  const check = async (deep: boolean) => (await registry.registry.mirrors?.check({ deep, signal: AbortSignal.timeout(10_000) }))?.dropped;
  assert.deepEqual(await check(false), []);
  assert.deepEqual(await check(true), [{ server: upstream.host, digest: digestOf(layer) }]);
  assert.deepEqual(await get(), layer);
  assert.deepEqual(await check(true), []);
});
