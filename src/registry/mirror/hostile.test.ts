import { strict as assert } from 'node:assert';
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import { digestOf } from '../../kernel/digest.ts';
import { ociManifest } from '../../oci/media-types.ts';
import { pull, startMirroring, startUpstream, type MirroringRegistry } from './mirror.fixture.ts';

/** What the registry's client has at the end: the whole body, or undefined when it broke off. */
async function received(response: Response): Promise<Buffer | undefined> {
  try {
    return Buffer.from(await response.arrayBuffer());
  } catch {
    return undefined;
  }
}

async function kept(registry: MirroringRegistry): Promise<string[]> {
  const names = await readdir(path.join(registry.folder, 'mirror'), { recursive: true, withFileTypes: true });
  return names.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

/** What is thrown away goes after its readers were told. */
async function emptied(registry: MirroringRegistry): Promise<string[]> {
  for (let tries = 0; tries < 200; tries++) {
    if ((await kept(registry)).length === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return kept(registry);
}

const limits = { callMs: 400, idleMs: 400, blobMs: 2_000 };
const layer = randomBytes(300_000);
const digest = digestOf(layer);
const other = randomBytes(300_000);

const lies: { readonly name: string; readonly give: (response: ServerResponse) => void; readonly limitBytes?: number }[] = [
  { name: 'other bytes of the same length', give: (response) => response.writeHead(200, { 'content-length': other.length }).end(other) },
  { name: 'other bytes without a length', give: (response) => response.writeHead(200).end(other) },
  { name: 'one bit changed at the end', give: (response) => response.writeHead(200, { 'content-length': layer.length }).end(flipped()) },
  {
    name: 'less than announced',
    give: (response) =>
      void response.writeHead(200, { 'content-length': layer.length }).write(layer.subarray(0, 100_000), () => response.destroy()),
  },
  { name: 'a shorter blob', give: (response) => response.writeHead(200).end(layer.subarray(0, 299_999)) },
  { name: 'a longer blob', give: (response) => response.writeHead(200).end(Buffer.concat([layer, Buffer.from('x')])) },
  { name: 'a small one', give: (response) => response.writeHead(200, { 'content-length': 5 }).end('hello') },
  { name: 'nothing', give: (response) => response.writeHead(200, { 'content-length': 0 }).end() },
  {
    name: 'a hang in the middle',
    give: (response) => void response.writeHead(200, { 'content-length': layer.length }).write(layer.subarray(0, 200_000)),
  },
  { name: 'an endless body', give: endless, limitBytes: 2_000_000 },
  {
    name: 'a length that no disk has',
    give: (response) => void response.writeHead(200, { 'content-length': 2 ** 45 }).write('x'),
    limitBytes: 2_000_000,
  },
];

function flipped(): Buffer {
  const copy = Buffer.from(layer);
  copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 1;
  return copy;
}

function endless(response: ServerResponse): void {
  response.writeHead(200);
  // There is no body that could be endless.
  if (response.req.method === 'HEAD') return void response.end();
  const more = () => {
    while (!response.destroyed && response.write(other));
  };
  response.on('drain', more);
  more();
}

for (const { name, give, limitBytes } of lies)
  test(`a blob that lies is neither kept nor given whole: ${name}`, async () => {
    await using upstream = await startUpstream();
    upstream.addImage('base', 'v1', [layer]);
    upstream.script = (request, response) => {
      if (!request.url?.includes('/blobs/')) return false;
      give(response);
      return true;
    };
    await using registry = await startMirroring(upstream, {
      upstreamLimits: limits,
      ...(limitBytes === undefined ? {} : { limits: { blobBytes: limitBytes } }),
    });
    const url = `/v2/mirror/up/base/blobs/${digest}`;
    const [one, two] = await Promise.all([pull(registry, url), pull(registry, url)]);
    for (const response of [one, two])
      if (response.status === 200) assert.equal(await received(response), undefined);
      else assert.ok([502, 503, 507].includes(response.status), String(response.status));
    assert.deepEqual(await emptied(registry), []);
    upstream.script = undefined;
    registry.time.aheadMs += 120_000;
    const honest = await received(await pull(registry, url));
    assert.ok(honest?.equals(layer));
    assert.equal((await kept(registry)).length, 1);
  });

const manifestLies: {
  readonly name: string;
  readonly give: (response: ServerResponse, honest: Buffer) => void;
  readonly status: number;
}[] = [
  {
    name: 'another manifest',
    give: (response) =>
      response
        .writeHead(200, { 'content-type': ociManifest })
        .end(JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, config: { mediaType: 'a/b', digest, size: 1 }, layers: [] })),
    status: 502,
  },
  {
    name: 'no manifest at all',
    give: (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Log in to the hotel</h1>'),
    status: 502,
  },
  {
    name: 'one with a digest that is not its own',
    give: (response, honest) => response.writeHead(200, { 'content-type': ociManifest, 'docker-content-digest': digest }).end(honest),
    status: 502,
  },
  { name: 'an endless one', give: endless, status: 502 },
  {
    name: 'one that breaks off',
    give: (response) => void response.writeHead(200, { 'content-length': 5_000 }).write('{', () => response.destroy()),
    status: 503,
  },
  { name: 'silence', give: () => undefined, status: 503 },
  { name: 'status 500', give: (response) => response.writeHead(500).end('sorry'), status: 503 },
  { name: 'status 418', give: (response) => response.writeHead(418).end(), status: 502 },
  {
    name: 'a login that it does not take',
    give: (response) => response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end(),
    status: 403,
  },
  { name: 'a refusal', give: (response) => response.writeHead(403).end(), status: 403 },
];

for (const { name, give, status } of manifestLies)
  test(`a manifest that lies is not taken, by digest and by tag: ${name}`, async () => {
    await using upstream = await startUpstream();
    const image = upstream.addImage('base', 'v1');
    const honest = upstream.manifests.get('base:v1') ?? Buffer.alloc(0);
    upstream.script = (_, response) => {
      give(response, honest);
      return true;
    };
    await using registry = await startMirroring(upstream, { upstreamLimits: limits });
    assert.equal((await pull(registry, `/v2/mirror/up/base/manifests/${image.manifest}`)).status, status);
    upstream.script = undefined;
    registry.time.aheadMs += 120_000;
    assert.equal(
      (await pull(registry, '/v2/mirror/up/base/manifests/v1')).headers.get('cache-status'),
      'waybill; fwd=miss; stored; ttl=300',
    );
    upstream.script = (_, response) => {
      give(response, honest);
      return true;
    };
    registry.time.aheadMs += 600_000;
    const later = await pull(registry, '/v2/mirror/up/base/manifests/v1');
    // An upstream that is away leaves what was there; one that refuses, or lies, is believed that it does.
    const away = status === 503;
    assert.equal(later.headers.has('waybill-stale'), away);
    if (away) assert.equal(later.headers.get('docker-content-digest'), image.manifest);
  });

test('a server that asks for patience gets it, and clients do not wait for one that is away', async () => {
  await using upstream = await startUpstream();
  upstream.addImage('base', 'v1');
  await using registry = await startMirroring(upstream, { upstreamLimits: limits });
  const look = async () => pull(registry, '/v2/mirror/up/base/manifests/v1');
  await look();
  registry.time.aheadMs += 600_000;
  upstream.script = (_, response) => {
    response.writeHead(429, { 'retry-after': '120' }).end();
    return true;
  };
  const before = upstream.asked.length;
  for (let times = 0; times < 5; times++) assert.ok((await look()).headers.has('waybill-stale'));
  const other = await pull(registry, '/v2/mirror/up/base/manifests/v2');
  assert.deepEqual([other.status, Number(other.headers.get('retry-after')) > 60], [503, true]);
  assert.equal(upstream.asked.length, before + 1);
  upstream.script = undefined;
  registry.time.aheadMs += 121_000;
  assert.equal((await look()).headers.get('cache-status'), 'waybill; hit; ttl=300; detail=revalidated');
  const warned = registry.logged.filter(({ message }) => message === 'A mirrored registry does not answer; what is cached is served');
  assert.equal(warned.length, 1);
});

test('a redirect takes no credential along and reaches no address inside', async () => {
  await using upstream = await startUpstream();
  await using inside = await startUpstream({ open: true });
  upstream.addImage('base', 'v1', [layer]);
  inside.blobs.set(digest, layer);
  let target = '';
  upstream.script = (request, response) => {
    if (!request.url?.includes('/blobs/')) return false;
    response.writeHead(307, { location: target }).end();
    return true;
  };
  const url = `/v2/mirror/up/base/blobs/${digest}`;
  const there = `/v2/base/blobs/${digest}`;
  const { port } = new URL(`http://${inside.host}`);
  {
    await using registry = await startMirroring(upstream);
    for (const place of [
      `http://${inside.host}${there}`,
      `http://localhost:${port}${there}`,
      `http://[::1]:${port}${there}`,
      `http://[::ffff:127.0.0.1]:${port}${there}`,
      `http://2130706433:${port}${there}`,
      `http://0.0.0.0:${port}${there}`,
      'http://169.254.169.254/latest/meta-data/',
      'http://10.0.0.1/',
      'file:///etc/passwd',
    ]) {
      target = place;
      assert.ok([403, 502, 503].includes((await pull(registry, url)).status), place);
      registry.time.aheadMs += 60_000;
    }
    assert.deepEqual(await emptied(registry), []);
  }
  assert.deepEqual([inside.asked, inside.authorizations], [[], []]);
  await using registry = await startMirroring(upstream, { anyAddress: [inside.host] });
  target = `http://${inside.host}${there}`;
  assert.ok((await received(await pull(registry, url)))?.equals(layer));
  assert.equal(inside.asked.length, 1);
  assert.deepEqual(inside.authorizations, []);
});

test('a token service at an address inside is asked for nothing', async () => {
  await using inside = await startUpstream({ open: true });
  await using upstream = await startUpstream({ open: true });
  upstream.script = (_, response) => {
    response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${inside.host}/token",service="x"` }).end();
    return true;
  };
  for (const record of [{}, { anonymous: true }]) {
    await using registry = await startMirroring(upstream, { record });
    assert.ok([502, 503].includes((await pull(registry, '/v2/mirror/up/base/manifests/v1')).status));
  }
  assert.deepEqual([inside.asked, inside.authorizations], [[], []]);
});

test('what a stop left half-fetched is gone after it', async () => {
  await using upstream = await startUpstream();
  upstream.addImage('base', 'v1', [layer]);
  const begun = Promise.withResolvers<void>();
  upstream.script = (request, response) => {
    if (!request.url?.includes('/blobs/')) return false;
    response.writeHead(200, { 'content-length': layer.length }).write(layer.subarray(0, 200_000), () => begun.resolve());
    return true;
  };
  const registry = await startMirroring(upstream);
  const response = pull(registry, `/v2/mirror/up/base/blobs/${digest}`);
  await begun.promise;
  const body = received(await response);
  await registry[Symbol.asyncDispose]();
  assert.equal(await body, undefined);
});
