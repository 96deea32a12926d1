import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { digestOf } from '../kernel/digest.ts';
import { startTestRegistry } from './registry.fixture.ts';

const fixture = new URL('./registry.fixture.ts', import.meta.url).href;
const program = `
  import { startTestRegistry } from ${JSON.stringify(fixture)};
  const server = await startTestRegistry({ folder: process.argv[1] });
  const { token } = await server.registry.mintPush({ repository: 'shop/shop', run: 1, ttlMs: 600_000 });
  console.log(JSON.stringify({ host: server.host, token: token.reveal() }));
`;

/** A registry in a process of its own. */
async function child(folder: string, wrapper: readonly string[] = []) {
  const [command = process.execPath, ...rest] = [...wrapper, process.execPath, '--input-type=module', '-e', program, folder];
  const running = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise<void>((resolve) => running.once('exit', () => resolve()));
  const line = await new Promise<string>((resolve, reject) => {
    createInterface(running.stdout).once('line', resolve);
    running.once('exit', () => reject(new Error('the registry did not start')));
  });
  const { host, token } = JSON.parse(line) as { host: string; token: string };
  return {
    host,
    token,
    call: async (path: string, init: RequestInit = {}) =>
      await fetch(`http://${host}${path}`, { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } }),
    async [Symbol.asyncDispose]() {
      running.kill('SIGKILL');
      await exited;
    },
  };
}

test('kill -9 in the middle of uploads: what was answered is kept, nothing half-written is served', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-crash-'));
  await using _cleanUp = { [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
  const half = randomBytes(4_000_000);
  const acknowledged: string[] = [];
  {
    await using server = await child(folder);
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
  await using server = await child(folder);
  assert.deepEqual(await readdir(join(folder, 'registry', 'uploads')), []);
  for (const digest of acknowledged) {
    const answer = await server.call(`/v2/shop/shop/blobs/${digest}`);
    assert.equal(digestOf(new Uint8Array(await answer.arrayBuffer())), digest);
  }
  assert.equal((await server.call(`/v2/shop/shop/blobs/${digestOf(half)}`)).status, 404);
});

test('a full disk is said so, and leaves nothing behind', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-full-'));
  await using _cleanUp = { [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
  // A small file system of its own, in a mount namespace that ends with the process.
  const script = 'mount -t tmpfs -o size=8m none "$0" && exec "$@"';
  let server;
  try {
    server = await child(folder, ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', script, folder]);
  } catch {
    // oxlint-disable-next-line no-console -- a skipped test is said aloud
    console.warn('SKIPPED: a full disk (no small file system can be mounted here)');
    return t.skip('no small file system can be mounted here');
  }
  await using running = server;
  const large = randomBytes(12_000_000);
  for (let tries = 0; tries < 3; tries++) {
    const refused = await running.call(`/v2/shop/shop/blobs/uploads/?digest=${digestOf(large)}`, { method: 'POST', body: large });
    assert.equal(refused.status, 507);
    assert.match(await refused.text(), /disk of the registry is full/);
  }
  const small = randomBytes(5_000_000);
  const fits = await running.call(`/v2/shop/shop/blobs/uploads/?digest=${digestOf(small)}`, { method: 'POST', body: small });
  assert.equal(fits.status, 201, 'the space of the refused ones is free again');
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
