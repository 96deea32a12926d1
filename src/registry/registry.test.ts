import { strict as assert } from 'node:assert';
import { createHash, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { digestOf } from '../kernel/digest.ts';
import { ociEmpty, ociIndex, ociManifest } from '../oci/media-types.ts';
import { people, startTestRegistry, type TestRegistry } from './registry.fixture.ts';

type Init = { method?: string; headers?: Record<string, string>; body?: Uint8Array | string };

async function pusher(server: TestRegistry, repository = 'shop/shop', pullFrom: string[] = []) {
  const minted = await server.registry.mintPush({ repository, run: 7, ttlMs: 60_000, pullFrom });
  const call = async (path: string, init: Init = {}) =>
    await fetch(new URL(path, server.url), {
      ...init,
      redirect: 'manual',
      headers: { authorization: `Bearer ${minted.token.reveal()}`, ...init.headers },
    });
  const blob = async (content: Uint8Array, into = repository) => {
    const answer = await call(`/v2/${into}/blobs/uploads/?digest=${digestOf(content)}`, { method: 'POST', body: content });
    assert.equal(answer.status, 201, await answer.text());
    return { digest: digestOf(content), size: content.byteLength };
  };
  const manifest = async (reference: string, value: unknown, type = ociManifest) =>
    await call(`/v2/${repository}/manifests/${reference}`, {
      method: 'PUT',
      headers: { 'content-type': type },
      body: JSON.stringify(value),
    });
  return { minted, call, blob, manifest };
}

const basic = (name: string, token: string) => `Basic ${Buffer.from(`${name}:${token}`).toString('base64')}`;
const codeOf = async (response: Response) => ((await response.json()) as { errors: { code: string; message: string }[] }).errors[0];

async function image(push: Awaited<ReturnType<typeof pusher>>, content = 'layer') {
  const config = { mediaType: ociEmpty, ...(await push.blob(Buffer.from('{}'))) };
  const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar', ...(await push.blob(Buffer.from(content))) };
  return { schemaVersion: 2, mediaType: ociManifest, config, layers: [layer] };
}

async function leftovers(server: TestRegistry): Promise<string[]> {
  return await readdir(join(server.folder, 'registry', 'uploads'));
}

test('a stranger gets 401 and is told where tokens are', async () => {
  await using server = await startTestRegistry();
  for (const path of ['/v2/', '/v2/shop/shop/tags/list', '/v2/shop/shop/manifests/v1', '/v2/../etc/passwd', '/v2/nonsense']) {
    const answer = await fetch(server.url + path);
    assert.equal(answer.status, 401, path);
    assert.match(
      answer.headers.get('www-authenticate') ?? '',
      /^Bearer realm="http:\/\/127\.0\.0\.1:\d+\/registry\/token",service="127/,
      path,
    );
  }
  const scoped = await fetch(`${server.url}/v2/shop/shop/blobs/uploads/`, { method: 'POST' });
  assert.match(scoped.headers.get('www-authenticate') ?? '', /scope="repository:shop\/shop:pull,push"/);
  for (const authorization of ['Bearer nope', 'Basic !!!', basic('anna', 'wrong'), basic('pull+x+y', 'wrong'), 'Digest x'])
    assert.equal((await fetch(`${server.url}/v2/`, { headers: { authorization } })).status, 401, authorization);
});

test('nobody pushes but a minted token, administrators included', async () => {
  await using server = await startTestRegistry();
  for (const [person, token] of Object.entries(people)) {
    const asked = await fetch(`${server.url}/registry/token?service=x&scope=repository:shop/shop:pull,push`, {
      headers: { authorization: basic(person, token) },
    });
    const answer = (await asked.json()) as { token: string; scope: string };
    assert.equal(answer.scope, 'repository:shop/shop:pull');
    for (const authorization of [`Bearer ${answer.token}`, basic(person, token)])
      for (const [method, path] of [
        ['POST', '/v2/shop/shop/blobs/uploads/'],
        ['PUT', '/v2/shop/shop/manifests/v1'],
        ['DELETE', '/v2/shop/shop/manifests/v1'],
        ['PATCH', '/v2/shop/shop/blobs/uploads/6f4e69a5-ff18-4d92-a731-5e3ee31c6216'],
      ] as const) {
        const refused = await fetch(server.url + path, { method, headers: { authorization } });
        assert.equal(refused.status, 403, `${person} ${method}`);
        const error = await codeOf(refused);
        assert.equal(error?.code, 'DENIED');
        assert.match(error?.message ?? '', /nobody pushes but a run of the pipeline.*refs\/for\/main/);
      }
  }
  assert.ok(server.refusals.every((refusal) => refusal.action === 'push'));
  assert.ok(server.refusals.length >= 18);
});

test('a minted token works on its one repository, until it is disposed or expires', async () => {
  await using server = await startTestRegistry();
  const push = await pusher(server);
  assert.deepEqual(server.grants[0], { kind: 'push', run: 7, repository: 'shop/shop', pullFrom: [], expiresAt: push.minted.expiresAt });
  await push.blob(Buffer.from('x'));
  const elsewhere = await push.call('/v2/shop/other/blobs/uploads/', { method: 'POST' });
  assert.equal(elsewhere.status, 403);
  assert.equal((await push.call('/v2/shop/other/tags/list')).status, 403);
  const started = await push.call('/v2/shop/shop/blobs/uploads/', { method: 'POST' });
  push.minted[Symbol.dispose]();
  const late = await push.call(started.headers.get('location') ?? '', { method: 'PUT' });
  assert.equal(late.status, 401);
  const second = await pusher(server);
  server.time.aheadMs = 61_000;
  assert.equal((await second.call('/v2/shop/shop/tags/list')).status, 401);
});

test('a token that is taken back while its bytes are on the way changes nothing', async () => {
  await using server = await startTestRegistry();
  const push = await pusher(server);
  const content = randomBytes(100_000);
  const socket = connect(Number(server.host.split(':')[1]), '127.0.0.1');
  socket.write(
    `POST /v2/shop/shop/blobs/uploads/?digest=${digestOf(content)} HTTP/1.1\r\nHost: x\r\nContent-Length: ${content.length}\r\nAuthorization: Bearer ${push.minted.token.reveal()}\r\n\r\n`,
  );
  socket.write(content.subarray(0, 50_000));
  while ((await leftovers(server)).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  push.minted[Symbol.dispose]();
  socket.write(content.subarray(50_000));
  const [head] = (await new Promise<Buffer>((resolve) => socket.once('data', resolve))).toString().split('\r\n');
  socket.destroy();
  assert.equal(head, 'HTTP/1.1 401 Unauthorized');
  assert.deepEqual(await leftovers(server), []);
});

test('blobs: the three ways to push, and reading them back', async () => {
  await using server = await startTestRegistry();
  const push = await pusher(server);
  const content = randomBytes(300_000);
  const digest = digestOf(content);

  await push.blob(Buffer.alloc(0));
  assert.equal((await push.call(`/v2/shop/shop/blobs/${digestOf('')}`)).headers.get('content-length'), '0');

  const start = await push.call('/v2/shop/shop/blobs/uploads/', { method: 'POST' });
  assert.equal(start.status, 202);
  assert.equal(start.headers.get('range'), '0-0');
  const location = start.headers.get('location') ?? '';
  const chunk = async (from: number, to: number, method = 'PATCH', query = '') =>
    await push.call(location + query, { method, headers: { 'content-range': `${from}-${to - 1}` }, body: content.subarray(from, to) });
  assert.equal((await chunk(0, 100_000)).headers.get('range'), '0-99999');
  const outOfOrder = await chunk(200_000, 300_000);
  assert.equal(outOfOrder.status, 416);
  assert.equal(outOfOrder.headers.get('range'), '0-99999');
  assert.equal((await push.call(location, { method: 'PATCH', headers: { 'content-range': 'x' }, body: 'x' })).status, 416);
  assert.equal((await push.call(location)).status, 204);
  assert.equal((await chunk(100_000, 200_000)).status, 202);
  const wrongly = await push.call(location, { method: 'PUT' });
  assert.equal((await codeOf(wrongly))?.code, 'DIGEST_INVALID');
  const done = await chunk(200_000, 300_000, 'PUT', `?digest=${digest}`);
  assert.equal(done.status, 201, await done.text());
  assert.equal(done.headers.get('docker-content-digest'), digest);
  assert.equal((await push.call(location)).status, 404, 'the upload is over');

  const read = await push.call(done.headers.get('location') ?? '');
  assert.equal(digestOf(new Uint8Array(await read.arrayBuffer())), digest);
  const head = await push.call(`/v2/shop/shop/blobs/sha256%3A${digest.slice(7)}`, { method: 'HEAD' });
  assert.equal(head.headers.get('content-length'), '300000');
  for (const [range, status, from, to] of [
    ['bytes=0-0', 206, 0, 1],
    ['bytes=100000-', 206, 100_000, 300_000],
    ['bytes=-5', 206, 299_995, 300_000],
    ['bytes=299999-400000', 206, 299_999, 300_000],
    ['bytes=0-1,4-5', 200, 0, 300_000],
  ] as const) {
    const part = await push.call(`/v2/shop/shop/blobs/${digest}`, { headers: { range } });
    assert.equal(part.status, status, range);
    assert.ok(Buffer.from(await part.arrayBuffer()).equals(content.subarray(from, to)), range);
  }
  for (const range of ['bytes=300000-', 'bytes=5-1'])
    assert.equal((await push.call(`/v2/shop/shop/blobs/${digest}`, { headers: { range } })).status, 416, range);
  assert.equal((await push.call(`/v2/shop/shop/blobs/${digest}`, { method: 'DELETE' })).status, 405);

  const cancelled = (await push.call('/v2/shop/shop/blobs/uploads/', { method: 'POST' })).headers.get('location') ?? '';
  assert.equal((await push.call(cancelled, { method: 'DELETE' })).status, 204);
  assert.equal((await push.call(cancelled)).status, 404);
  assert.deepEqual(await leftovers(server), []);
});

test('a digest that lies is refused and leaves nothing', async () => {
  await using server = await startTestRegistry({ limits: { blobBytes: 1_000_000 } });
  const push = await pusher(server);
  const lie = digestOf('something else');
  const refused = await push.call(`/v2/shop/shop/blobs/uploads/?digest=${lie}`, { method: 'POST', body: 'content' });
  assert.equal(refused.status, 400);
  assert.equal((await codeOf(refused))?.code, 'DIGEST_INVALID');
  assert.equal((await push.call(`/v2/shop/shop/blobs/${lie}`)).status, 404);
  const manifest = await push.manifest(lie, await image(push));
  assert.equal((await codeOf(manifest))?.code, 'DIGEST_INVALID');
  for (const digest of ['sha256:../../../../etc/passwd', 'sha256:%2e%2e', 'md5:00', `sha256:${'A'.repeat(64)}`, ''])
    assert.equal((await push.call(`/v2/shop/shop/blobs/uploads/?digest=${digest}`, { method: 'POST', body: 'x' })).status, 400, digest);

  const large = Buffer.alloc(1_000_001);
  assert.equal((await push.call(`/v2/shop/shop/blobs/uploads/?digest=${digestOf(large)}`, { method: 'POST', body: large })).status, 413);
  const location = (await push.call('/v2/shop/shop/blobs/uploads/', { method: 'POST' })).headers.get('location') ?? '';
  const unsized = new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(Buffer.alloc(64 * 1024)) });
  const endless = await fetch(server.url + location, {
    method: 'PATCH',
    headers: { authorization: `Bearer ${push.minted.token.reveal()}` },
    body: unsized,
    duplex: 'half',
  } as RequestInit);
  assert.equal(endless.status, 413);
  assert.deepEqual(await leftovers(server), []);
});

test('a truncated upload is not served, and can be gone on with', async () => {
  await using server = await startTestRegistry();
  const push = await pusher(server);
  const content = randomBytes(200_000);
  const location = (await push.call('/v2/shop/shop/blobs/uploads/', { method: 'POST' })).headers.get('location') ?? '';
  const socket = connect(Number(server.host.split(':')[1]), '127.0.0.1');
  socket.write(
    `PUT ${location}?digest=${digestOf(content)} HTTP/1.1\r\nHost: x\r\nContent-Length: ${content.length}\r\nAuthorization: Bearer ${push.minted.token.reveal()}\r\n\r\n`,
  );
  await new Promise<void>((resolve) => socket.write(content.subarray(0, 150_000), () => resolve()));
  let range = '';
  const until = async (done: (before: string) => boolean) => {
    for (let tries = 0; tries < 400; tries++) {
      const before = range;
      const answer = await push.call(location);
      assert.equal(answer.status, 204);
      range = answer.headers.get('range') ?? '';
      if (done(before)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.fail(`the upload stays at ${range}`);
  };
  await until(() => range !== '0-0');
  socket.destroy();
  // Until what was on its way has arrived.
  await until((before) => range === before);
  assert.equal((await push.call(`/v2/shop/shop/blobs/${digestOf(content)}`, { method: 'HEAD' })).status, 404);
  const have = Number(range.split('-')[1]) + 1;
  const rest = await push.call(`${location}?digest=${digestOf(content)}`, { method: 'PUT', body: content.subarray(have) });
  assert.equal(rest.status, 201, await rest.text());
});

test('concurrent uploads of one blob all succeed', async () => {
  await using server = await startTestRegistry();
  const push = await pusher(server);
  const content = randomBytes(2_000_000);
  await Promise.all(Array.from({ length: 8 }, () => push.blob(content)));
  const read = await push.call(`/v2/shop/shop/blobs/${digestOf(content)}`);
  assert.equal(
    createHash('sha256')
      .update(new Uint8Array(await read.arrayBuffer()))
      .digest('hex'),
    digestOf(content).slice(7),
  );
  assert.deepEqual(await leftovers(server), []);
});

test('a repository does not read what another one has; mounting needs pull on the source', async () => {
  await using server = await startTestRegistry();
  const content = Buffer.from('base layer');
  const digest = digestOf(content);
  const base = await pusher(server, 'base');
  await base.blob(content);
  const stranger = await pusher(server);
  assert.equal((await stranger.call(`/v2/shop/shop/blobs/${digest}`)).status, 404);
  const refused = await stranger.call(`/v2/shop/shop/blobs/uploads/?mount=${digest}&from=base`, { method: 'POST' });
  assert.equal(refused.status, 202, 'an upload instead');
  const friend = await pusher(server, 'shop/shop', ['base']);
  assert.equal((await friend.call('/v2/base/blobs/uploads/', { method: 'POST' })).status, 403);
  for (const nonsense of ['sha256:zz', digestOf('unknown')])
    assert.equal((await friend.call(`/v2/shop/shop/blobs/uploads/?mount=${nonsense}&from=base`, { method: 'POST' })).status, 202);
  const mounted = await friend.call(`/v2/shop/shop/blobs/uploads/?mount=${digest}&from=base`, { method: 'POST' });
  assert.equal(mounted.status, 201);
  assert.equal(await (await friend.call(`/v2/shop/shop/blobs/${digest}`)).text(), 'base layer');
});

test('manifests: what they name must be there, and tags do not move', async () => {
  await using server = await startTestRegistry();
  const push = await pusher(server);
  const one = await image(push, 'one');
  const put = await push.manifest('v1', one);
  assert.equal(put.status, 201, await put.text());
  const digest = put.headers.get('docker-content-digest');
  for (const reference of ['v1', String(digest)]) {
    const read = await push.call(`/v2/shop/shop/manifests/${reference}`);
    assert.equal(read.headers.get('content-type'), ociManifest);
    assert.equal(digestOf(await read.text()), digest);
    const head = await push.call(`/v2/shop/shop/manifests/${reference}`, { method: 'HEAD' });
    assert.equal(head.headers.get('docker-content-digest'), digest);
  }
  assert.equal((await push.manifest('v1', one)).status, 201, 'the same again');
  const two = await image(push, 'two');
  const moved = await push.manifest('v1', two);
  assert.equal(moved.status, 409);
  assert.match((await codeOf(moved))?.message ?? '', /tags are immutable/);
  assert.equal((await push.call('/v2/shop/shop/manifests/v1')).headers.get('docker-content-digest'), digest);
  const indexTag = `sha256-${'0'.repeat(64)}.att`;
  assert.equal((await push.manifest(indexTag, one)).status, 201);
  assert.equal((await push.manifest(indexTag, two)).status, 201, 'an index of papers grows');

  const missing = { ...one, layers: [{ mediaType: 'a/b', digest: digestOf('not there'), size: 9 }] };
  const wrongSize = { ...one, layers: one.layers.map((layer) => ({ ...layer, size: layer.size + 1 })) };
  for (const [value, code, type] of [
    [missing, 'MANIFEST_BLOB_UNKNOWN'],
    [wrongSize, 'MANIFEST_INVALID'],
    [{ ...one, manifests: [] }, 'MANIFEST_INVALID'],
    [{ schemaVersion: 1 }, 'MANIFEST_INVALID'],
    [[], 'MANIFEST_INVALID'],
    [one, 'MANIFEST_INVALID', ociIndex],
    [one, 'MANIFEST_INVALID', 'text/html'],
    [{ schemaVersion: 2, manifests: [{ mediaType: ociManifest, digest: digestOf('x'), size: 1 }] }, 'MANIFEST_BLOB_UNKNOWN', ociIndex],
  ] as const)
    assert.equal((await codeOf(await push.manifest('bad', value, type)))?.code, code, JSON.stringify(value).slice(0, 80));
  assert.equal((await push.manifest('big', { ...one, annotations: { a: 'x'.repeat(4 * 1024 * 1024) } })).status, 413);
  assert.equal((await push.call('/v2/shop/shop/manifests/bad')).status, 404);
  assert.equal((await push.call('/v2/shop/shop/manifests/v1', { method: 'DELETE' })).status, 405);
  assert.equal((await push.call('/v2/shop/shop/manifests/v1', { method: 'POST' })).status, 405);
});

test('tags can be deleted and moved where the configuration says so', async () => {
  await using server = await startTestRegistry({ mutableTags: true, deletion: true });
  const push = await pusher(server);
  const first = await push.manifest('v1', await image(push, 'one'));
  const second = await push.manifest('v1', await image(push, 'two'));
  assert.equal(second.status, 201);
  const digest = String(second.headers.get('docker-content-digest'));
  assert.equal((await push.call('/v2/shop/shop/manifests/v1')).headers.get('docker-content-digest'), digest);
  assert.equal((await push.call(`/v2/shop/shop/manifests/${digest}`, { method: 'DELETE' })).status, 202);
  assert.equal((await push.call('/v2/shop/shop/manifests/v1')).status, 404);
  assert.equal((await push.call(`/v2/shop/shop/manifests/${digest}`, { method: 'DELETE' })).status, 404);
  assert.equal((await push.call(`/v2/shop/shop/manifests/${first.headers.get('docker-content-digest')}`)).status, 200);
});

test('tags are listed in pages', async () => {
  await using server = await startTestRegistry();
  const push = await pusher(server);
  assert.equal((await codeOf(await push.call('/v2/shop/shop/tags/list')))?.code, 'NAME_UNKNOWN');
  const value = await image(push);
  for (const tag of ['c', 'a', 'e', 'b', 'd']) await push.manifest(tag, value);
  const pages: string[][] = [];
  let path: string | undefined = '/v2/shop/shop/tags/list?n=2';
  while (path !== undefined) {
    const answer: Response = await push.call(path);
    pages.push(((await answer.json()) as { tags: string[] }).tags);
    path = /<(.*)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1];
  }
  assert.deepEqual(pages, [['a', 'b'], ['c', 'd'], ['e']]);
  assert.deepEqual(await (await push.call('/v2/shop/shop/tags/list?n=0')).json(), { name: 'shop/shop', tags: [] });
  assert.equal((await push.call('/v2/shop/shop/tags/list?n=-1')).status, 400);
});

test('referrers are listed, filtered, and may come before their subject', async () => {
  await using server = await startTestRegistry();
  const push = await pusher(server);
  const plain = await image(push);
  const subject = { mediaType: ociManifest, digest: digestOf('comes later'), size: 11 };
  const empty = await push.call(`/v2/shop/shop/referrers/${subject.digest}`);
  assert.equal(empty.headers.get('content-type'), ociIndex);
  assert.deepEqual(((await empty.json()) as { manifests: [] }).manifests, []);
  for (const artifactType of ['application/a', 'application/b']) {
    const put = await push.manifest(`paper-${artifactType.at(-1)}`, {
      ...plain,
      artifactType,
      subject,
      annotations: { for: artifactType },
    });
    assert.equal(put.headers.get('oci-subject'), subject.digest);
  }
  const all = (await (await push.call(`/v2/shop/shop/referrers/${subject.digest}`)).json()) as { manifests: { artifactType: string }[] };
  assert.deepEqual(all.manifests.map((one) => one.artifactType).sort(), ['application/a', 'application/b']);
  const filtered = await push.call(`/v2/shop/shop/referrers/${subject.digest}?artifactType=application/a`);
  assert.equal(filtered.headers.get('oci-filters-applied'), 'artifactType');
  const { manifests } = (await filtered.json()) as { manifests: { artifactType: string; annotations: object }[] };
  assert.deepEqual(
    manifests.map(({ artifactType, annotations }) => ({ artifactType, annotations })),
    [{ artifactType: 'application/a', annotations: { for: 'application/a' } }],
  );
});

test('pull secrets: several generations, their repositories alone, gone when revoked', async () => {
  await using server = await startTestRegistry();
  const push = await pusher(server);
  await push.manifest('v1', await image(push));
  const mint = async () => await server.registry.mintPull({ environment: 'production', repositories: ['shop/shop'], ttlMs: 60_000 });
  const [old, young] = [await mint(), await mint()];
  assert.equal(server.grants.filter((grant) => grant.kind === 'pull').length, 2);
  assert.ok(!JSON.stringify(server.grants).includes(young.password.reveal()));
  const bearers: string[] = [];
  for (const { username, password } of [old, young]) {
    const authorization = basic(username, password.reveal());
    const direct = async (path: string, method = 'GET') => (await fetch(server.url + path, { method, headers: { authorization } })).status;
    assert.equal(await direct('/v2/shop/shop/manifests/v1'), 200);
    assert.equal(await direct('/v2/other/manifests/v1'), 403);
    assert.equal(await direct('/v2/shop/shop/blobs/uploads/', 'POST'), 403);
    const scopes = 'scope=repository:shop/shop:pull,push&scope=repository:other:pull';
    const { token } = (await (await fetch(`${server.url}/registry/token?${scopes}`, { headers: { authorization } })).json()) as {
      token: string;
    };
    bearers.push(`Bearer ${token}`);
    const form = new URLSearchParams({ grant_type: 'password', username, password: password.reveal(), scope: 'repository:shop/shop:pull' });
    const posted = await fetch(`${server.url}/registry/token`, { method: 'POST', body: form });
    assert.equal(posted.status, 200);
  }
  const withBearer = async (authorization: string, path: string) => await fetch(server.url + path, { headers: { authorization } });
  for (const bearer of bearers) {
    assert.equal((await withBearer(bearer, '/v2/shop/shop/manifests/v1')).status, 200);
    assert.equal((await withBearer(bearer, '/v2/other/manifests/v1')).status, 403);
  }
  assert.equal(await server.registry.revokePull('production'), 2);
  for (const bearer of bearers) assert.equal((await withBearer(bearer, '/v2/shop/shop/manifests/v1')).status, 401);
  assert.equal((await withBearer(basic(young.username, young.password.reveal()), '/v2/shop/shop/manifests/v1')).status, 401);

  const third = await mint();
  server.time.aheadMs = 60_001;
  assert.equal((await withBearer(basic(third.username, third.password.reveal()), '/v2/shop/shop/manifests/v1')).status, 401);
});

test("a person's bearer reaches what it was asked for, and ends with the person", async () => {
  await using server = await startTestRegistry();
  const push = await pusher(server);
  await push.manifest('v1', await image(push));
  const asked = await fetch(`${server.url}/registry/token?scope=repository:shop/shop:pull`, {
    headers: { authorization: basic('anna', people.anna) },
  });
  const authorization = `Bearer ${((await asked.json()) as { token: string }).token}`;
  const get = async (path: string) => await fetch(server.url + path, { headers: { authorization } });
  assert.equal((await get('/v2/shop/shop/manifests/v1')).status, 200);
  const other = await get('/v2/other/manifests/v1');
  assert.equal(other.status, 401);
  assert.match(other.headers.get('www-authenticate') ?? '', /scope="repository:other:pull",error="insufficient_scope"/);
  server.registry.revokePerson('anna');
  assert.equal((await get('/v2/shop/shop/manifests/v1')).status, 401);
  for (const [method, body] of [
    ['GET', undefined],
    ['POST', 'grant_type=refresh_token&refresh_token=x'],
    ['PUT', 'x'],
    ['POST', 'x'.repeat(20_000)],
  ] as const)
    assert.ok((await fetch(`${server.url}/registry/token`, { method, ...(body === undefined ? {} : { body }) })).status >= 400);
});

test('mints refuse nonsense, and nothing is minted when the ledger does not take it', async () => {
  await using server = await startTestRegistry();
  const bad = { code: 'INVALID_INPUT' };
  await assert.rejects(server.registry.mintPush({ repository: '../x', run: 1, ttlMs: 1 }), bad);
  await assert.rejects(server.registry.mintPush({ repository: 'x', run: 1, ttlMs: 7 * 3_600_000 }), bad);
  await assert.rejects(server.registry.mintPush({ repository: 'x', run: 1, ttlMs: Number.NaN }), bad);
  await assert.rejects(server.registry.mintPull({ environment: 'a+b', repositories: [], ttlMs: 1 }), bad);
  const before = server.grants.length;
  server.grants.push = () => {
    throw new Error('the ledger is full');
  };
  await assert.rejects(server.registry.mintPush({ repository: 'x', run: 1, ttlMs: 1_000 }), /ledger is full/);
  assert.equal(server.grants.length, before);
});

test('a client that stands still is cut off', async () => {
  await using server = await startTestRegistry({ limits: { idleMs: 100 } });
  const push = await pusher(server);
  const socket = connect(Number(server.host.split(':')[1]), '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(
    `POST /v2/shop/shop/blobs/uploads/?digest=${digestOf('x')} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nAuthorization: Bearer ${push.minted.token.reveal()}\r\n\r\nabc`,
  );
  await new Promise((resolve) => socket.once('close', resolve));
  for (let tries = 0; tries < 100 && (await leftovers(server)).length > 0; tries++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(await leftovers(server), []);
});

test('uploads are limited in number, and those that nobody touches go', async () => {
  await using server = await startTestRegistry({ limits: { uploads: 2, uploadIdleMs: 60_000 } });
  const push = async () => (await pusher(server)).call('/v2/shop/shop/blobs/uploads/', { method: 'POST' });
  assert.equal((await push()).status, 202);
  assert.equal((await push()).status, 202);
  assert.equal((await push()).status, 429);
  server.time.aheadMs = 60_001;
  assert.equal((await push()).status, 202);
});

test('a key to read is for one repository, pushes nothing, and ends when it is given back', async () => {
  await using server = await startTestRegistry();
  const read = await server.registry.mintRead({ repository: 'shop/web', run: 7, ttlMs: 60_000 });
  assert.deepEqual(server.grants, [{ kind: 'read', run: 7, repository: 'shop/web', expiresAt: read.expiresAt }]);
  const status = async (path: string, method = 'GET') =>
    (await fetch(`${server.url}/v2/${path}`, { method, headers: { authorization: `Bearer ${read.token.reveal()}` } })).status;
  assert.equal(await status('shop/web/tags/list'), 404, 'allowed, and empty');
  assert.equal(await status('shop/other/tags/list'), 403);
  assert.equal(await status('shop/web/blobs/uploads/', 'POST'), 403);
  read[Symbol.dispose]();
  assert.equal(await status('shop/web/tags/list'), 401);
});
