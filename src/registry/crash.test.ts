import { strict as assert } from 'node:assert';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { digestOf } from '../kernel/digest.ts';
import { registryProcess } from './process.fixture.ts';
import { startTestRegistry } from './registry.fixture.ts';

test('kill -9 in the middle of uploads: what was answered is kept, nothing half-written is served', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-crash-'));
  await using _cleanUp = { [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
  const half = randomBytes(4_000_000);
  const acknowledged: string[] = [];
  {
    await using server = await registryProcess(folder);
    const socket = connect(Number(server.host.split(':')[1]), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(
      `POST /v2/shop/shop/blobs/uploads/?digest=${digestOf(half)} HTTP/1.1\r\nHost: x\r\nContent-Length: ${half.length}\r\nAuthorization: Bearer ${server.token}\r\n\r\n`,
    );
    socket.write(half.subarray(0, 3_000_000));
    const stop = new AbortController();
    const pushing = Array.from({ length: 4 }, async () => {
      while (!stop.signal.aborted) {
        const content = randomBytes(50_000);
        try {
          const answer = await server.call(`/v2/shop/shop/blobs/uploads/?digest=${digestOf(content)}`, { method: 'POST', body: content });
          if (answer.status === 201) acknowledged.push(digestOf(content));
        } catch (error) {
          if (!stop.signal.aborted) throw error;
        }
      }
    });
    while (acknowledged.length < 30) await new Promise((resolve) => setTimeout(resolve, 5));
    stop.abort();
    await server[Symbol.asyncDispose]();
    await Promise.all(pushing);
    socket.destroy();
  }
  assert.notDeepEqual(await readdir(join(folder, 'registry', 'uploads')), [], 'the crash left something');
  await using server = await registryProcess(folder);
  assert.deepEqual(await readdir(join(folder, 'registry', 'uploads')), []);
  for (const digest of acknowledged) {
    const answer = await server.call(`/v2/shop/shop/blobs/${digest}`);
    assert.equal(digestOf(new Uint8Array(await answer.arrayBuffer())), digest);
  }
  assert.equal((await server.call(`/v2/shop/shop/blobs/${digestOf(half)}`)).status, 404);
});

test('a registry that is opened again knows its content, and no token of before', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-again-'));
  await using _cleanUp = { [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
  const content = randomBytes(1000);
  const start = async () => {
    const server = await startTestRegistry({ folder });
    const { token } = await server.registry.mintPush({ repository: 'shop/shop', run: 1, ttlMs: 60_000 });
    return { server, headers: { authorization: `Bearer ${token.reveal()}` } };
  };
  const before = await start();
  const push = await fetch(`${before.server.url}/v2/shop/shop/blobs/uploads/?digest=${digestOf(content)}`, {
    method: 'POST',
    headers: before.headers,
    body: content,
  });
  assert.equal(push.status, 201);
  await before.server[Symbol.asyncDispose]();
  const after = await start();
  await using server = after.server;
  const path = `${server.url}/v2/shop/shop/blobs/${digestOf(content)}`;
  assert.equal((await fetch(path, { headers: before.headers })).status, 401);
  assert.equal((await fetch(path, { headers: after.headers })).status, 200);
});
