import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { digestOf } from '../kernel/digest.ts';
import { crowd } from './crowd.fixture.ts';
import { registryProcess } from './process.fixture.ts';
import { startTestRegistry, type TestOptions } from './registry.fixture.ts';
import { drip, stopReading } from './slow.fixture.ts';

async function start(options: TestOptions) {
  const test = await startTestRegistry(options);
  const { token } = await test.registry.mintPush({ repository: 'shop/shop', run: 1, ttlMs: 600_000 });
  return { ...test, token: token.reveal(), [Symbol.asyncDispose]: () => test[Symbol.asyncDispose]() };
}

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-clients-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** More than the kernel takes into its buffers for a client that does not read. */
async function pushLarge(server: Awaited<ReturnType<typeof registryProcess>>): Promise<string> {
  const large = Buffer.alloc(64_000_000, 'x');
  const answer = await server.call(`/v2/shop/shop/blobs/uploads/?digest=${digestOf(large)}`, { method: 'POST', body: large });
  assert.equal(answer.status, 201);
  return digestOf(large);
}

async function becomes(what: () => Promise<boolean>, why: string): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await what()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(why);
}

test('many clients at once push and pull, and each gets its own bytes', async () => {
  await using server = await start({ limits: { requestsPerSecond: 100_000 } });
  const { requests, wrong } = await crowd(server, { clients: 80, goesOn: (round) => round < 2 });
  assert.deepEqual(wrong, []);
  assert.equal(requests, 80 * 2 * 3);
  assert.deepEqual(await readdir(join(server.folder, 'registry', 'uploads')), []);
});

test('clients that drip, or stop reading, are cut off; nobody else is hurt, and no file stays open', async (t) => {
  const folder = await folderFor(t);
  await using server = await registryProcess(folder, [], {
    limits: { idleMs: 2_000, bytesPerSecond: 1_000, requestsPerSecond: 100_000 },
    server: { headersTimeout: 2_000, connectionsCheckingInterval: 100 },
  });
  const filesOpen = async () => (await readdir(`/proc/${server.pid}/fd`)).length;
  const large = await pushLarge(server);
  const before = await filesOpen();

  const head = ['Host: x', 'Content-Length: 1000000'];
  const bodies = [
    drip(server, [`POST /v2/shop/shop/blobs/uploads/?digest=${digestOf('x')} HTTP/1.1`, ...head], { everyMs: 50, whole: true }),
    drip(server, ['PUT /v2/shop/shop/manifests/slow HTTP/1.1', ...head], { everyMs: 50, whole: true }),
    drip(server, ['POST /registry/token HTTP/1.1', 'Host: x', 'Content-Length: 10000'], { everyMs: 50, whole: true }),
  ];
  const slow = [
    ...bodies,
    ...Array.from({ length: 20 }, () => drip(server, ['GET /v2/ HTTP/1.1', 'Host: x'], { everyMs: 50, whole: false })),
  ];
  using readers = new DisposableStack();
  for (let n = 0; n < 20; n++) readers.use(stopReading(server, `/v2/shop/shop/blobs/${large}`, { sending: false }));
  const others = await crowd(server, { clients: 20, goesOn: (round) => round < 10 });
  assert.deepEqual(others.wrong, []);
  const answers = await Promise.all(slow.map((each) => each.ended));
  assert.match(answers[0] ?? '', /^HTTP\/1\.1 408 [^]*fewer than 1000 bytes a second/);
  assert.match(answers[5] ?? '', /^HTTP\/1\.1 408 /);
  await becomes(async () => (await filesOpen()) <= before, 'the server holds on to files or sockets');
  assert.deepEqual(await readdir(join(folder, 'registry', 'uploads')), []);
});

test('who sends on and on but does not read is no reader', async (t) => {
  const folder = await folderFor(t);
  let large: string;
  {
    await using server = await registryProcess(folder);
    large = await pushLarge(server);
  }
  await using server = await registryProcess(folder, [], { limits: { idleMs: 500, bytesPerSecond: 3_000_000 } });
  using reader = stopReading(server, `/v2/shop/shop/blobs/${large}`, { sending: true });
  await reader.ended;
});

test('a client that is slow but fast enough is left alone', async () => {
  await using server = await start({ limits: { idleMs: 1_000, bytesPerSecond: 1_000 } });
  const content = Buffer.alloc(30_000, 'y');
  const body = new ReadableStream({
    async start(controller) {
      for (let at = 0; at < content.length; at += 2_000) {
        controller.enqueue(content.subarray(at, at + 2_000));
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      controller.close();
    },
  });
  const answer = await fetch(`${server.url}/v2/shop/shop/blobs/uploads/?digest=${digestOf(content)}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.token}` },
    body,
    duplex: 'half',
  });
  assert.equal(answer.status, 201);
});

test('behind a proxy each client is held back for itself, and cannot name another address', async () => {
  await using server = await startTestRegistry({ behindProxy: true });
  const guess = (name: string, forwarded: string) =>
    fetch(`${server.url}/v2/`, {
      headers: { authorization: `Basic ${Buffer.from(`${name}:guess`).toString('base64')}`, 'x-forwarded-for': forwarded },
    });
  const statuses: number[] = [];
  for (let n = 0; n < 310; n++) statuses.push((await guess(`name-${n}`, `10.0.0.${n % 200}, 198.51.100.7`)).status);
  assert.equal(statuses.at(-1), 429, 'what the client itself wrote into the header is not looked at');
  assert.equal((await guess('name', '198.51.100.8')).status, 401, 'another client is not held back');
});
