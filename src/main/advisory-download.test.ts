import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { databaseStates } from '../scan/advisories/database.ts';
import type { AdvisoryLimits } from '../scan/advisories/limits.ts';
import { updateDatabase, type EcosystemUpdate } from '../scan/advisories/update.ts';
import { writeZip } from '../scan/advisories/zip.fixture.ts';
import { downloadSource } from './advisory-download.ts';

const record = (id: string) =>
  JSON.stringify({ id, modified: '2026-01-01T00:00:00Z', affected: [{ package: { ecosystem: 'npm', name: 'one' }, versions: ['1.0.0'] }] });
const now = new Date('2026-06-01T00:00:00Z');

type Handler = (request: IncomingMessage, response: ServerResponse) => void;
type Mirror = { readonly url: string; readonly folder: string; readonly zip: Buffer; readonly asked: IncomingMessage[]; handle: Handler };

async function mirror(t: TestContext, handle: Handler): Promise<Mirror> {
  const root = await mkdtemp(path.join(tmpdir(), 'waybill-mirror-'));
  await writeZip(path.join(root, 'all.zip'), [{ name: 'A-1.json', content: record('A-1') }]);
  const server = createServer((request, response) => {
    found.asked.push(request);
    found.handle(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await rm(root, { recursive: true, force: true });
  });
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const found: Mirror = {
    url: `http://127.0.0.1:${port}`,
    folder: path.join(root, 'database'),
    zip: await readFile(path.join(root, 'all.zip')),
    asked: [],
    handle,
  };
  return found;
}

async function update(
  { url, folder }: Mirror,
  more: { asOf?: Date; limits?: Partial<AdvisoryLimits>; ecosystems?: string[]; signal?: AbortSignal } = {},
): Promise<readonly EcosystemUpdate[]> {
  const { asOf, limits = {}, ecosystems = ['npm'], signal = AbortSignal.timeout(30_000) } = more;
  return await updateDatabase({
    folder,
    source: downloadSource(url, { now: () => now, ...(asOf === undefined ? {} : { asOf }) }),
    ecosystems,
    clock: { now: () => now },
    signal,
    limits,
  });
}

const outcome = ([result]: readonly EcosystemUpdate[]) =>
  result?.outcome === 'failed' ? `${result.error.code}: ${result.error.detail}` : `${result?.outcome} ${result?.state.updatedAt}`;
const give =
  (body: (mirror: Buffer) => Buffer, headers: Record<string, string> = {}): ((zip: Buffer) => Handler) =>
  (zip) =>
  (_request, response) => {
    const bytes = body(zip);
    response.writeHead(200, { 'content-length': bytes.length, ...headers });
    response.end(bytes);
  };
const whole = give((zip) => zip);

suite('exports are downloaded', () => {
  test('once, and then asked whether there is a newer one; a mirror is as old as it says', async (t) => {
    const m = await mirror(t, () => undefined);
    const modified = 'Fri, 01 May 2026 00:00:00 GMT';
    m.handle = give((zip) => zip, { etag: '"a"', 'last-modified': modified })(m.zip);
    assert.equal(outcome(await update(m)), 'updated 2026-05-01T00:00:00.000Z');
    m.handle = (request, response) => {
      assert.equal(request.headers['if-none-match'], '"a"');
      assert.equal(request.headers['if-modified-since'], modified);
      response.writeHead(304).end();
    };
    assert.equal(outcome(await update(m)), 'unchanged 2026-05-01T00:00:00.000Z');
    assert.equal(outcome(await update(m, { asOf: new Date('2026-05-20T00:00:00Z') })), 'unchanged 2026-05-20T00:00:00.000Z');
    assert.equal(outcome(await update(m, { asOf: new Date('2030-01-01T00:00:00Z') })), `unchanged ${now.toISOString()}`);
    assert.deepEqual(
      m.asked.map(({ url }) => url),
      ['/npm/all.zip', '/npm/all.zip', '/npm/all.zip', '/npm/all.zip'],
    );
    for (const { headers } of m.asked) assert.deepEqual([headers.authorization, headers.cookie], [undefined, undefined]);
  });

  test('names with spaces, and the list of ecosystems', async (t) => {
    const m = await mirror(t, (request, response) => {
      if (request.url === '/ecosystems.txt') response.end('npm\nDebian\nDebian:12\nUnheard Of\n');
      else response.writeHead(404).end();
    });
    const source = downloadSource(`${m.url}/`, { now: () => now });
    assert.deepEqual(await source.ecosystems(AbortSignal.timeout(5_000)), ['npm', 'Debian', 'Debian:12', 'Unheard Of']);
    assert.match(outcome(await update(m, { ecosystems: ['Red Hat'] })), /NOT_FOUND.*Red%20Hat\/all\.zip/);
  });

  test('redirects are followed, not for ever, and never to plain HTTP elsewhere', async (t) => {
    const m = await mirror(t, () => undefined);
    m.handle = (request, response) => {
      if (request.url?.startsWith('/moved')) whole(m.zip)(request, response);
      else response.writeHead(302, { location: '/moved.zip' }).end();
    };
    assert.match(outcome(await update(m)), /^updated/);
    m.handle = (request, response) => response.writeHead(301, { location: `${request.url}x` }).end();
    assert.match(outcome(await update(m)), /INVALID_INPUT.*more than 5 times/);
    m.handle = (_request, response) => response.writeHead(302, { location: 'http://mirror.example.com/all.zip' }).end();
    assert.match(outcome(await update(m)), /INVALID_INPUT.*HTTPS/);
    assert.equal((await databaseStates(m.folder))[0]?.advisories, 1, 'what was there before is still in use');
  });

  test('too much is refused when it is said, and when it comes', async (t) => {
    const m = await mirror(t, () => undefined);
    m.handle = give(() => Buffer.alloc(2_000_000))(m.zip);
    assert.match(outcome(await update(m, { limits: { archiveBytes: 1_000_000 } })), /LIMIT_EXCEEDED/);
    m.handle = (_request, response) => {
      response.writeHead(200);
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(100_000)));
      };
      response.on('drain', more);
      more();
    };
    assert.match(outcome(await update(m, { limits: { archiveBytes: 1_000_000 } })), /LIMIT_EXCEEDED/);
    assert.deepEqual(
      (await readdir(m.folder)).filter((name) => name.startsWith('.')),
      [],
    );
  });

  test('a connection that breaks off is no archive', async (t) => {
    const m = await mirror(t, () => undefined);
    m.handle = (_request, response) => {
      response.writeHead(200, { 'content-length': m.zip.length });
      response.write(m.zip.subarray(0, 50), () => response.destroy());
    };
    assert.match(outcome(await update(m)), /UNREACHABLE.*broke off after/);
  });

  test('one that never ends is ended: by the limit, and by whoever waits for it', async (t) => {
    const m = await mirror(t, (_request, response) => response.writeHead(200).write('x'));
    assert.match(outcome(await update(m, { limits: { milliseconds: 300 } })), /DEADLINE_EXCEEDED/);
    await assert.rejects(update(m, { signal: AbortSignal.timeout(200) }));
    assert.deepEqual(
      (await readdir(m.folder)).filter((name) => name.startsWith('.') || name === 'update.lock'),
      [],
    );
  });

  test('what fails for a moment is tried again', async (t) => {
    const m = await mirror(t, () => undefined);
    let tries = 0;
    m.handle = (request, response) => {
      tries++;
      if (tries === 1) response.writeHead(503).end();
      else whole(m.zip)(request, response);
    };
    assert.match(outcome(await update(m)), /^updated/);
  });

  for (const address of [
    'http://mirror.example.com',
    'ftp://127.0.0.1/',
    'https://user:secret@example.com',
    'https://example.com/?a=b',
    'https://',
  ])
    test(`${address} is refused`, () =>
      assert.throws(
        () => downloadSource(address, { now: () => now }),
        (error: Error) => 'code' in error && error.code === 'INVALID_INPUT' && !error.message.includes('secret'),
      ));
});
