import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { digestOf } from '../kernel/digest.ts';
import { ociIndex, ociManifest } from '../oci/media-types.ts';
import { startTestRegistry } from './registry.fixture.ts';

async function start() {
  const server = await startTestRegistry({ limits: { requestsPerSecond: 100_000 } });
  const { token } = await server.registry.mintPush({ repository: 'shop/shop', run: 1, ttlMs: 600_000 });
  const authorization = `Bearer ${token.reveal()}`;
  const call = (path: string, init: RequestInit = {}) =>
    fetch(server.url + path, { ...init, headers: { authorization, ...(init.headers as Record<string, string>) } });
  const put = async (body: string | Buffer, headers: Record<string, string> = { 'content-type': ociManifest }, reference = 'hostile') => {
    const answer = await call(`/v2/shop/shop/manifests/${reference}`, {
      method: 'PUT',
      headers,
      body: typeof body === 'string' ? body : Uint8Array.from(body),
    });
    return { status: answer.status, text: await answer.text() };
  };
  const push = (content: Buffer, digest = digestOf(content)) =>
    call(`/v2/shop/shop/blobs/uploads/?digest=${digest}`, { method: 'POST', body: content });
  /** As written, past every client that would tidy it up. @returns the status, 0 when the connection was ended without one */
  const raw = async (head: string) => {
    const socket = connect(Number(server.host.split(':')[1]), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.end(Buffer.from(`${head}\r\nHost: x\r\nConnection: close\r\nAuthorization: ${authorization}\r\n\r\n`, 'latin1'));
    let answer = '';
    socket.on('data', (chunk: Buffer) => void (answer += chunk.toString('latin1')));
    await once(socket, 'close');
    return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0), answer };
  };
  return { ...server, call, put, push, raw, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

test('a hundred writers of one digest, some of which lie or leave: those who tell the truth are served, and nothing else is kept', async () => {
  await using server = await start();
  const truth = Buffer.alloc(300_000, 'truth ');
  const lie = Buffer.alloc(300_000, 'lie ');
  const digest = digestOf(truth);
  const writers = Array.from({ length: 100 }, async (_, n) => {
    if (n % 20 === 7) return await server.push(lie, digest);
    if (n % 20 !== 13) return await server.push(truth);
    const leaving = new AbortController();
    const half = new ReadableStream({
      // One piece, and then nothing until the writer has left: a source that always has more lets no timer run once its socket is gone.
      async pull(controller) {
        controller.enqueue(truth.subarray(0, 100_000));
        setTimeout(() => leaving.abort(), 5);
        await once(leaving.signal, 'abort');
      },
    });
    const path = `/v2/shop/shop/blobs/uploads/?digest=${digest}`;
    return await server.call(path, { method: 'POST', body: half, duplex: 'half', signal: leaving.signal }).catch(() => undefined);
  });
  const statuses = (await Promise.all(writers)).map((answer) => answer?.status);
  const count = (status: number | undefined) => statuses.filter((each) => each === status).length;
  assert.deepEqual([count(201), count(400), count(undefined)], [90, 5, 5]);
  assert.ok(truth.equals(new Uint8Array(await (await server.call(`/v2/shop/shop/blobs/${digest}`)).arrayBuffer())));
  assert.equal((await server.call(`/v2/shop/shop/blobs/${digestOf(lie)}`)).status, 404);
  for (let tries = 0; tries < 200 && (await readdir(join(server.folder, 'registry', 'uploads'))).length > 0; tries++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(await readdir(join(server.folder, 'registry', 'uploads')), []);
});

test('paths that try to leave the registry are answered as what they are: no names', async () => {
  await using server = await start();
  const zeros = '0'.repeat(64);
  const paths = [
    '/v2/../../etc/passwd',
    '/v2/shop/../../../etc/passwd/manifests/x',
    '/v2/%2e%2e/%2e%2e/etc/passwd/manifests/latest',
    '/v2/shop%2f..%2f..%2fetc/manifests/latest',
    '/v2/shop/shop/manifests/..%2f..%2f..%2fetc%2fpasswd',
    '/v2/shop/shop/manifests/%2e%2e',
    '/v2/shop/shop/manifests/a%00b',
    '/v2/shop%00/shop/manifests/latest',
    '/v2/shop/shop/manifests/%c3%a4',
    '/v2/sh\u00f6p/manifests/latest',
    '/v2/shop/shop/manifests/%ff%fe',
    '/v2/shop/shop/manifests/%',
    '/v2/shop/shop/manifests/%zz',
    '/v2/shop/shop/manifests/sha256%3A..%2F..%2F',
    '/v2/shop/shop/blobs/..',
    `/v2/shop/shop/blobs/sha256:${zeros}%2f..`,
    `/v2/shop/shop/blobs/sha256:${'0'.repeat(62)}/../`,
    `/v2/shop/shop/blobs/SHA256:${zeros}`,
    `/v2/shop/shop/blobs/sha256:${'A'.repeat(64)}`,
    `/v2/shop/shop/blobs/md5:${'0'.repeat(32)}`,
    '/v2/shop/shop/blobs/sha256:',
    '/v2/shop/shop/blobs/uploads/../../../../etc/passwd',
    '/v2/shop/shop/blobs/uploads/%2e%2e%2fwaybill.db',
    '/v2/shop/shop/blobs/uploads/00000000-0000-0000-0000-000000000000.json',
    `/v2/${'a/'.repeat(300)}a/manifests/latest`,
    `/v2/${'a'.repeat(256)}/manifests/latest`,
    `/v2/shop/shop/manifests/${'a'.repeat(129)}`,
    `/v2/shop/shop/manifests/${'%61'.repeat(5000)}`,
    `/v2/shop/shop/manifests/${'a'.repeat(20_000)}`,
    '/v2//manifests/latest',
    '/v2/Shop/shop/manifests/latest',
    '/v2/shop/shop/manifests/-latest',
    '/v2/shop/shop/referrers/..%2f',
    '/v2/shop/shop/tags/list/..',
    '/v2/../git/shop.git',
    'http://elsewhere.example/v2/shop/shop/manifests/x y',
  ];
  for (const path of paths)
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'POST']) {
      const { status, answer } = await server.raw(`${method} ${path} HTTP/1.1\r\nContent-Length: 0`);
      assert.ok(status >= 400 && status < 500, `${method} ${path.slice(0, 100)}: ${answer.slice(0, 300)}`);
      assert.doesNotMatch(answer, /root:|waybill\.db|\/tmp\//);
    }
  for (const query of ['mount=../../etc/passwd&from=shop/shop', `mount=sha256:${zeros}&from=../../etc`, `mount=sha256:${zeros}&from=%00`])
    assert.equal((await server.call(`/v2/shop/shop/blobs/uploads/?${query}`, { method: 'POST' })).status, 202, query);
  assert.equal((await server.call('/v2/shop/shop/blobs/uploads/?digest=sha256:../../x', { method: 'POST' })).status, 400);
  assert.deepEqual((await readdir(join(server.folder, 'registry'))).sort(), ['blobs', 'uploads']);
  const below = await readdir(join(server.folder, 'registry', 'blobs'), { recursive: true, withFileTypes: true });
  assert.deepEqual(
    below.filter((entry) => !entry.isDirectory()).map(({ name }) => name),
    [],
  );
});

test('manifests that are made to hurt are refused, and the registry goes on', async () => {
  await using server = await start();
  const config = Buffer.from('{}');
  assert.equal((await server.push(config)).status, 201);
  const descriptor = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(config), size: config.length };
  const good = { schemaVersion: 2, mediaType: ociManifest, config: descriptor, layers: [] as unknown[] };
  const text = JSON.stringify(good);
  const short = { mediaType: 'a/b', digest: digestOf(config), size: 2 };
  const cases: readonly [what: string, body: string | Buffer, status: number, headers?: Record<string, string>][] = [
    ['100,000 layers', JSON.stringify({ ...good, layers: Array.from({ length: 100_000 }, () => short) }), 413],
    ['more layers than are taken', JSON.stringify({ ...good, layers: Array.from({ length: 30_000 }, () => short) }), 400],
    ['deep arrays', `{"schemaVersion":2,"layers":${'['.repeat(2_000_000)}${']'.repeat(2_000_000)}}`, 400],
    ['deep objects', `{"schemaVersion":2,"config":${'{"a":'.repeat(600_000)}1${'}'.repeat(600_000)}}`, 400],
    ['deep and unfinished', '['.repeat(4_000_000), 400],
    ['two configs', text.replace('{"schemaVersion"', `{"config":${JSON.stringify({ ...descriptor, size: 3 })},"schemaVersion"`), 400],
    ['two configs, written differently', text.replace('"config":', '"\\u0063onfig":{},"config":'), 400],
    ['names that differ in case alone', text.replace('"layers":', '"Layers":[{}],"layers":'), 400],
    ['an image that is an index', JSON.stringify({ ...good, manifests: [] }), 400],
    ['an index that is said to be an image', JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests: [] }), 400],
    ['another type than the header says', text, 400, { 'content-type': ociIndex }],
    ['a type that is none', text, 400, { 'content-type': 'text/html' }],
    ['Docker schema 1', text, 400, { 'content-type': 'application/vnd.docker.distribution.manifest.v1+json' }],
    ['a size that is no number', text.replace('"size":2', '"size":"2"'), 400],
    ['a size that is too large for one', text.replace('"size":2', '"size":9007199254740993'), 400],
    ['a negative size', text.replace('"size":2', '"size":-2'), 400],
    ['a wrong size', text.replace('"size":2', '"size":3'), 400],
    ['bytes that are not UTF-8', Buffer.concat([Buffer.from(text.slice(0, -1)), Buffer.from(',"x":"\xff"}', 'latin1')]), 400],
    ['a byte order mark', `\ufeff${text}`, 400],
    ['compressed', gzipSync(text), 400, { 'content-type': ociManifest, 'content-encoding': 'gzip' }],
    ['nothing', '', 400],
    ['null', 'null', 400],
    ['a digest of no algorithm', text.replace('sha256:', 'sha257:'), 400],
    ['a digest with a path in it', text.replace(digestOf(config), `sha256:../../${'0'.repeat(58)}`), 400],
    ['annotations that are no texts', text.replace('"layers"', '"annotations":{"a":{}},"layers"'), 400],
  ];
  for (const [what, body, status, headers] of cases) {
    const answer = await server.put(body, headers);
    assert.equal(answer.status, status, `${what}: ${answer.text.slice(0, 300)}`);
    assert.match(answer.text, /"code":"(?:MANIFEST_INVALID|SIZE_INVALID)"/, what);
  }
  const harmless = text.replace('{"schemaVersion"', '{"__proto__":{"polluted":true},"constructor":1,"schemaVersion"');
  assert.equal((await server.put(harmless, undefined, 'harmless')).status, 201);
  assert.equal(Reflect.get({}, 'polluted'), undefined);
  assert.equal(await (await server.call('/v2/shop/shop/manifests/harmless')).text(), harmless, 'what is kept is what was sent');
  assert.deepEqual(
    await server.registry.check({ deep: true, quarantine: false, signal: AbortSignal.timeout(10_000) }).then((r) => r.damages),
    [],
  );
});

test('a decompression bomb is bytes like any others: it is kept and given as it is', async () => {
  await using server = await start();
  const bomb = gzipSync(Buffer.alloc(64 * 2 ** 20));
  const path = `/v2/shop/shop/blobs/${digestOf(bomb)}`;
  const init = { method: 'POST', body: bomb, headers: { 'content-encoding': 'gzip' } };
  assert.equal((await server.call(`/v2/shop/shop/blobs/uploads/?digest=${digestOf(bomb)}`, init)).status, 201);
  const answer = await server.call(path, { headers: { 'accept-encoding': 'gzip' } });
  assert.equal(answer.headers.get('content-encoding'), null);
  assert.ok(bomb.equals(new Uint8Array(await answer.arrayBuffer())));
});

test('lengths that lie do not end in content', async () => {
  await using server = await start();
  const content = Buffer.from('abc');
  const path = `/v2/shop/shop/blobs/uploads/?digest=${digestOf(content)}`;
  for (const lengths of [
    'Content-Length: 3\r\nContent-Length: 5',
    'Content-Length: 3\r\nTransfer-Encoding: chunked',
    'Content-Length: -1',
    'Content-Length: 3x',
  ])
    assert.equal((await server.raw(`POST ${path} HTTP/1.1\r\n${lengths}`)).status, 400, lengths);
  const tooLong = await server.raw(`POST ${path} HTTP/1.1\r\nContent-Length: 99999999999999`);
  assert.ok(tooLong.status === 413 || tooLong.status === 400, tooLong.answer);
  assert.equal((await server.call(`/v2/shop/shop/blobs/${digestOf(content)}`)).status, 404);
});
