import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Snapshot } from '../evidence/snapshot.ts';
import { isWaybillError, WaybillError } from '../kernel/error.ts';
import { silentLogger } from '../kernel/logger.ts';
import { Secret } from '../kernel/secret.ts';
import { snapshotFromFile, snapshotFromUrl } from './snapshot-fetch.ts';
import { SnapshotSource, type SnapshotSourceOptions } from './snapshot-source.ts';
import { bad, entry, good, now, other, signer, snapshot } from './test-kit.ts';

const trusted = signer();
const quick = { pollMs: 3_600_000, restMs: 1, fetchMs: 2_000, lookupMs: 2_000 };

/** A source over a published snapshot that the test can change; `fetches` counts. */
function source(first: Snapshot | Uint8Array | Error, options: Partial<SnapshotSourceOptions> = {}) {
  const published = { now: first as Snapshot | Uint8Array | Error | undefined, fetches: 0 };
  const made = new SnapshotSource({
    fetchSnapshot: async () => {
      published.fetches += 1;
      if (published.now instanceof Error) throw published.now;
      return published.now === undefined || published.now instanceof Uint8Array ? published.now : trusted.sign(published.now);
    },
    ring: () => trusted.ring,
    clock: { now: () => now },
    logger: silentLogger,
    limits: quick,
    ...options,
  });
  return { published, source: made };
}

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'waybill-snapshot-'));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

const gone = new WaybillError('NOT_FOUND', 'the server is gone');

test('without a snapshot nothing is known, and it says so', async () => {
  await using given = source(gone).source;
  await given.start();
  const knowledge = await given.knowledge([good]);
  assert.deepEqual([given.ready, knowledge.images(good), knowledge.absent !== undefined], [false, [], true]);
});

test('a snapshot signed by another key is not taken', async () => {
  await using given = source(signer().sign(snapshot())).source;
  await given.start();
  assert.equal(given.ready, false);
});

const spoiled: [string, (content: Buffer) => Uint8Array][] = [
  ['cut off', (content) => content.subarray(0, -10)],
  ['not JSON', () => Buffer.from('hello')],
  ['empty', () => Buffer.alloc(0)],
  [
    'with another payload',
    (content) =>
      Buffer.from(content.toString().replace(/"payload":"(.)/, (_, letter: string) => `"payload":"${letter === 'a' ? 'b' : 'a'}`)),
  ],
  ['without signatures', (content) => Buffer.from(JSON.stringify({ ...(JSON.parse(content.toString()) as object), signatures: [] }))],
  ['too large', (content) => Buffer.concat([content, Buffer.alloc(5_000_000, ' ')])],
];
for (const [name, spoil] of spoiled) {
  test(`a snapshot ${name} is not taken, and what was known stays known`, async () => {
    const { source: given, published } = source(snapshot(), { limits: { ...quick, bytes: 1_000_000 } });
    await using _ = given;
    await given.start();
    published.now = spoil(trusted.sign(snapshot({ sequence: 99 })));
    const knowledge = await given.knowledge([bad]);
    assert.deepEqual([given.sequence, knowledge.images(good).length, knowledge.lookupFailure !== undefined], [10, 1, true]);
  });
}

const successors: [string, Partial<Snapshot>, number, boolean][] = [
  ['a higher sequence', { sequence: 11 }, 11, true],
  ['a lower sequence', { sequence: 9, issuedAt: '2026-11-22T11:59:00Z' }, 10, false],
  ['the same sequence, issued later', { issuedAt: '2026-11-22T11:30:00Z' }, 10, true],
  ['the same sequence, issued earlier', { issuedAt: '2026-11-22T10:00:00Z' }, 10, false],
  ['one that has expired', { sequence: 11, expiresAt: '2026-11-22T11:30:00Z' }, 10, false],
];
for (const [name, change, sequence, taken] of successors) {
  test(`${name} is ${taken ? 'taken' : 'refused'}`, async () => {
    const { source: given, published } = source(snapshot());
    await using _ = given;
    await given.start();
    published.now = snapshot({ images: [entry({ digest: bad })], ...change });
    const knowledge = await given.knowledge([bad]);
    assert.deepEqual([given.sequence, knowledge.images(bad).length], [sequence, taken ? 1 : 0]);
  });
}

test('a refused snapshot stays a failure when the server says that nothing changed', async () => {
  const { source: given, published } = source(snapshot());
  await using _ = given;
  await given.start();
  published.now = snapshot({ sequence: 9 });
  await given.knowledge([bad]);
  published.now = undefined;
  assert.ok((await given.knowledge([bad])).lookupFailure);
});

test('a restart without the server still knows, refuses older snapshots, and warns when the copy is old', async (t) => {
  const file = join(await folder(t), 'kept', 'snapshot.json');
  {
    await using first = source(snapshot(), { file }).source;
    await first.start();
  }
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const { source: second, published } = source(gone, { file });
  await using _ = second;
  await second.start();
  assert.equal((await second.knowledge([good])).images(good).length, 1);
  published.now = snapshot({ sequence: 5 });
  await second.knowledge([bad]);
  assert.equal(second.sequence, 10);

  await using third = source(gone, { file, clock: { now: () => new Date('2026-12-01T00:00:00Z') } }).source;
  await third.start();
  assert.match((await third.knowledge([good])).ageWarning ?? '', /should have been replaced/);
});

test('a kept copy that somebody changed is not believed, and is replaced', async (t) => {
  const path = await folder(t);
  const file = join(path, 'snapshot.json');
  await writeFile(file, signer().sign(snapshot({ sequence: 1_000 })));
  await using given = source(snapshot(), { file }).source;
  await given.start();
  assert.equal(given.sequence, 10);
  await using next = source(gone, { file }).source;
  await next.start();
  assert.equal(next.sequence, 10);
  assert.deepEqual(await readdir(path), ['snapshot.json']);
});

test('a copy that cannot be written does not blind the gate', async (t) => {
  const path = await folder(t);
  await writeFile(join(path, 'file'), '');
  await using given = source(snapshot(), { file: join(path, 'file', 'snapshot.json') }).source;
  await given.start();
  assert.equal(given.ready, true);
});

test('many who ask for unknown digests share few fetches, and each sees what was published before it asked', async () => {
  const { source: given, published } = source(snapshot(), { limits: { ...quick, restMs: 50 } });
  await using _ = given;
  await given.start();
  published.fetches = 0;
  published.now = snapshot({ sequence: 11, images: [entry(), entry({ digest: bad })] });
  const answers = await Promise.all(Array.from({ length: 500 }, () => given.knowledge([bad])));
  assert.ok(answers.every((knowledge) => knowledge.images(bad).length === 1));
  assert.equal(published.fetches, 1);
});

test('a fetch that began before the question is followed by one more', async () => {
  const gates = [Promise.withResolvers<Buffer>(), Promise.withResolvers<Buffer>()];
  const begun = Promise.withResolvers<void>();
  let fetches = 0;
  const fetchSnapshot = (): Promise<Buffer> => {
    begun.resolve();
    return gates[fetches++]?.promise ?? Promise.reject(gone);
  };
  await using given = source(gone, { fetchSnapshot }).source;
  const start = given.start();
  await begun.promise;
  const asked = given.knowledge([bad]);
  gates[0]?.resolve(trusted.sign(snapshot()));
  gates[1]?.resolve(trusted.sign(snapshot({ sequence: 11, images: [entry({ digest: bad })] })));
  await start;
  assert.equal((await asked).images(bad).length, 1);
  assert.equal(fetches, 2);
});

test('a known digest is never held up by a server that hangs, an unknown one not beyond its deadline', async () => {
  const { source: given } = source(snapshot());
  await given.start();
  await given[Symbol.asyncDispose]();
  let hang = false;
  await using hanging = source(snapshot(), {
    limits: { ...quick, fetchMs: 60_000, lookupMs: 30 },
    fetchSnapshot: () => (hang ? new Promise<never>(() => {}) : Promise.resolve(trusted.sign(snapshot()))),
  }).source;
  await hanging.start();
  hang = true;
  assert.deepEqual((await hanging.knowledge([bad])).images(bad), []);
  assert.equal((await hanging.knowledge([good, other])).images(other).length, 1);
  const aborted = AbortSignal.abort();
  assert.deepEqual((await hanging.knowledge([bad], aborted)).images(bad), []);
});

test('polling brings a newer snapshot without a question', async () => {
  const { source: given, published } = source(snapshot(), { limits: { ...quick, pollMs: 5 } });
  await using _ = given;
  await given.start();
  published.now = snapshot({ sequence: 11 });
  while (given.sequence !== 11) await new Promise((resolve) => setTimeout(resolve, 5));
});

test('a snapshot comes from a URL with a token, once per change, and within its limit', async (t) => {
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.headers.authorization} ${request.headers['if-none-match'] ?? '-'}`);
    if (request.url === '/redirect') return void response.writeHead(302, { location: '/snapshot' }).end();
    if (request.headers['if-none-match'] === '"1"') return void response.writeHead(304).end();
    response.writeHead(200, { etag: '"1"' }).end('x'.repeat(1_000));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  assert.ok(address && typeof address === 'object');
  const url = new URL(`http://127.0.0.1:${address.port}/snapshot`);
  const { signal } = new AbortController();
  const fetchSnapshot = snapshotFromUrl(url, { token: new Secret('t') });
  assert.equal((await fetchSnapshot(signal))?.length, 1_000);
  assert.equal(await fetchSnapshot(signal), undefined);
  assert.deepEqual(asked, ['Bearer t -', 'Bearer t "1"']);
  await assert.rejects(snapshotFromUrl(url, { bytes: 999 })(signal), (error) => isWaybillError(error, 'LIMIT_EXCEEDED'));
  await assert.rejects(snapshotFromUrl(new URL('/redirect', url))(signal), (error) => isWaybillError(error, 'NOT_FOUND'));
  await assert.rejects(fetchSnapshot(AbortSignal.abort()));
  assert.throws(
    () => snapshotFromUrl(new URL('file:///etc/passwd')),
    (error) => isWaybillError(error, 'INVALID_INPUT'),
  );
});

test('a snapshot comes from a file', async (t) => {
  const file = join(await folder(t), 'snapshot.json');
  const { signal } = new AbortController();
  await assert.rejects(snapshotFromFile(file)(signal), (error) => isWaybillError(error, 'NOT_FOUND'));
  await writeFile(file, trusted.sign(snapshot()));
  await using given = source(gone, { fetchSnapshot: snapshotFromFile(file) }).source;
  await given.start();
  assert.equal(given.sequence, 10);
});
