import { strict as assert } from 'node:assert';
import { randomBytes } from 'node:crypto';
import { truncate, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { digestOf } from '../kernel/digest.ts';
import { Secret } from '../kernel/secret.ts';
import { connectRegistry } from '../oci/client.ts';
import type { RegistryAuth } from '../oci/client-session.ts';
import type { RegistryClient } from '../oci/client-types.ts';
import { createLayout, openLayout } from '../oci/layout.ts';
import { ociEmpty, ociIndex, ociManifest } from '../oci/media-types.ts';
import { people, startTestRegistry, type TestRegistry } from './registry.fixture.ts';

const repository = 'shop/shop';
const connectTo = (server: { host: string }, auth?: RegistryAuth): RegistryClient =>
  connectRegistry({ registry: server.host, plainHttp: true, ...(auth ? { auth } : {}) });

async function pushing(server: TestRegistry) {
  const { token } = await server.registry.mintPush({ repository, run: 1, ttlMs: 60_000 });
  return connectTo(server, { bearer: token });
}

/** A layout with an index over an image of two layers. */
async function sampleLayout(folder: string) {
  const layout = await createLayout(folder);
  const config = await layout.addBlob(Buffer.from('{}'), ociEmpty);
  const layers = [await layout.addBlob(randomBytes(3_000_000), 'application/x'), await layout.addBlob(randomBytes(100), 'application/x')];
  const manifest = await layout.addBlob(
    Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, config, layers: [...layers, ...layers] })),
    ociManifest,
  );
  const index = await layout.addBlob(
    Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests: [manifest] })),
    ociIndex,
  );
  await layout.addEntry(index);
  return { layout, manifest, index, layers };
}

test('a layout goes to the registry and comes back the same', async () => {
  await using server = await startTestRegistry();
  using client = await pushing(server);
  const { layout, index, layers } = await sampleLayout(join(server.folder, 'layout'));
  const progress: string[] = [];
  const onProgress = ({ status }: { status: string }) => void progress.push(status);
  const pushed = await client.pushLayout(layout.folder, index.digest, repository, { tag: 'v1', onProgress });
  assert.deepEqual(pushed, { digest: index.digest, mediaType: ociIndex, size: index.size });
  assert.deepEqual(progress, ['copied', 'copied', 'copied']);
  progress.length = 0;
  await client.pushLayout(layout.folder, index.digest, repository, { tag: 'v1', onProgress });
  assert.deepEqual(progress, ['present', 'present', 'present']);

  using person = connectTo(server, { username: 'anna', password: new Secret(people.anna) });
  assert.deepEqual(await person.resolve(repository, 'v1'), pushed);
  assert.equal(await person.resolve(repository, 'v2'), undefined);
  assert.deepEqual(await person.listTags(repository), ['v1']);
  const back = join(server.folder, 'back');
  assert.deepEqual(await person.pullToLayout(repository, 'v1', back, { tag: 'here' }), pushed);
  const copy = await openLayout(back);
  for (const layer of layers) assert.ok((await copy.readBlob(layer.digest)).equals(await layout.readBlob(layer.digest)));
  assert.equal((await copy.entries())[0]?.digest, index.digest);
  await assert.rejects(person.pushLayout(layout.folder, index.digest, repository, { tag: 'v2' }), {
    code: 'FORBIDDEN',
    message: /nobody pushes/,
  });
  assert.equal((await buffer(await person.getBlob(repository, { digest: digestOf('{}') }))).toString(), '{}');
});

test('errors say what the registry said', async () => {
  await using server = await startTestRegistry();
  using client = await pushing(server);
  using stranger = connectTo(server);
  using liar = connectTo(server, { username: 'anna', password: new Secret('wrong') });
  await assert.rejects(stranger.resolve(repository, 'v1'), { code: 'UNAUTHENTICATED' });
  await assert.rejects(
    liar.resolve(repository, 'v1'),
    (error: Error) => /UNAUTH/.test((error as never)['code']) && !error.message.includes('wrong'),
  );
  await assert.rejects(client.getManifest(repository, 'v1'), { code: 'NOT_FOUND', message: /MANIFEST_UNKNOWN/ });
  await assert.rejects(client.listTags('other'), { code: 'FORBIDDEN' });
  await assert.rejects(client.resolve('../x', 'v1'), { code: 'INVALID_INPUT' });
  await assert.rejects(client.resolve(repository, '../x'), { code: 'INVALID_INPUT' });
  const lie = { digest: digestOf('other'), size: 3 };
  await assert.rejects(client.putBlob(repository, { bytes: Buffer.from('abc') }, lie), {
    code: 'INVALID_INPUT',
    message: /DIGEST_INVALID/,
  });
  await assert.rejects(client.putBlob(repository, { stream: Readable.from([Buffer.from('ab')]) }, { digest: digestOf('abc'), size: 3 }), {
    code: 'DIGEST_MISMATCH',
  });
  await client.putBlob(repository, { stream: Readable.from([Buffer.from('abc')]) }, { digest: digestOf('abc'), size: 3 });
  assert.equal(await client.hasBlob(repository, digestOf('abc')), true);
  await assert.rejects(client.putBlob(repository, { path: '/nonexistent' }, { digest: digestOf('x'), size: 1 }), /ENOENT/);
  assert.throws(() => connectRegistry({ registry: 'http://x', plainHttp: true }), { code: 'INVALID_INPUT' });
  using nowhere = connectRegistry({ registry: '127.0.0.1:1', plainHttp: true });
  await assert.rejects(nowhere.resolve(repository, 'v1'), { code: 'REGISTRY_FAILED', message: /ECONNREFUSED/ });
  await assert.rejects(client.resolve(repository, 'v1', AbortSignal.abort()), { code: 'CANCELLED' });
});

test('a blob that was changed on the disk of the registry is noticed', async () => {
  await using server = await startTestRegistry();
  using client = await pushing(server);
  const content = randomBytes(200_000);
  const digest = digestOf(content);
  await client.putBlob(repository, { bytes: content }, { digest, size: content.length });
  const file = join(server.folder, 'registry', 'blobs', 'sha256', digest.slice(7, 9), digest.slice(7));
  await writeFile(file, randomBytes(200_000));
  await assert.rejects(async () => buffer(await client.getBlob(repository, { digest })), { code: 'DIGEST_MISMATCH' });
  await truncate(file, 5);
  await assert.rejects(client.getBlob(repository, { digest }), { code: 'REGISTRY_FAILED', message: /damaged/ });
  await client.putBlob(repository, { bytes: content }, { digest, size: content.length });
  assert.ok((await buffer(await client.getBlob(repository, { digest }))).equals(content), 'a new push repairs it');
});

for (const api of [true, false])
  test(`papers are attached and found ${api ? 'through the API' : 'through the fallback tag'}`, async () => {
    await using server = await startTestRegistry({
      wrap: (handle) => async (request, response) => {
        if (!api) {
          const writeHead = response.writeHead.bind(response);
          response.writeHead = ((status: number, headers: Record<string, string> = {}) => {
            const { 'oci-subject': _hidden, ...rest } = headers;
            return writeHead(status, rest);
          }) as never;
          if (request.url?.includes('/referrers/')) return void response.writeHead(404).end();
        }
        await handle(request, response);
      },
    });
    using client = await pushing(server);
    const { layout, manifest } = await sampleLayout(join(server.folder, 'layout'));
    await client.pushLayout(layout.folder, manifest.digest, repository);
    assert.deepEqual(await client.listReferrers(repository, manifest.digest), []);
    const attach = (artifactType: string, text: string) =>
      client.attachReferrer(repository, manifest, { artifactType, blob: Buffer.from(text), blobMediaType: 'a/b', annotations: { text } });
    const first = await attach('application/a', 'one');
    await attach('application/b', 'two');
    assert.deepEqual(await attach('application/a', 'one'), first, 'the same paper twice is one paper');
    const found = await client.listReferrers(repository, manifest.digest);
    assert.deepEqual(found.map((one) => one.annotations?.['text']).sort(), ['one', 'two']);
    assert.deepEqual(await client.listReferrers(repository, manifest.digest, { artifactType: 'application/a' }), [first]);
    assert.equal((await client.listTags(repository)).length, api ? 0 : 1);
    const paper = await client.getManifest(repository, first.digest);
    assert.equal(paper.manifest.kind === 'image' && paper.manifest.image.subject?.digest, manifest.digest);
  });

async function fakeRegistry(listener: RequestListener): Promise<AsyncDisposable & { host: string }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    host: `127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test('a hostile registry gets no credentials for another host, and its lies are found', async () => {
  const seen: string[] = [];
  await using other = await fakeRegistry((request, response) => {
    seen.push(request.headers.authorization ?? 'none');
    response.end('{}');
  });
  await using server = await fakeRegistry((request, response) => {
    const { url = '' } = request;
    if (url.includes('/blobs/')) response.writeHead(307, { location: `http://${other.host}/x` }).end();
    else if (url.includes('loop')) response.writeHead(302, { location: url }).end();
    else if (url.includes('huge')) response.end(Buffer.alloc(5 * 1024 * 1024));
    else if (url.includes('silent')) response.writeHead(200).write('{');
    else response.writeHead(200, { 'docker-content-digest': digestOf('truth') }).end('a lie');
  });
  using client = connectRegistry({
    registry: server.host,
    plainHttp: true,
    auth: { bearer: new Secret('top-secret') },
    limits: { callMs: 300, idleMs: 200 },
  });
  assert.equal((await buffer(await client.getBlob(repository, { digest: digestOf('{}') }))).toString(), '{}');
  assert.deepEqual(seen, ['none']);
  await assert.rejects(async () => buffer(await client.getBlob(repository, { digest: digestOf('x') })), { code: 'DIGEST_MISMATCH' });
  await assert.rejects(client.getManifest(repository, 'loop'), { code: 'REGISTRY_FAILED', message: /redirects/ });
  await assert.rejects(client.getManifest(repository, 'huge'), { code: 'LIMIT_EXCEEDED' });
  await assert.rejects(client.getManifest(repository, 'silent'), { code: 'DEADLINE_EXCEEDED' });
  for (const reference of ['v1', digestOf('truth')])
    await assert.rejects(client.getManifest(repository, reference), { code: 'DIGEST_MISMATCH' });
});

test('a registry that stumbles is asked again', async () => {
  let calls = 0;
  await using server = await fakeRegistry((_request, response) => {
    calls += 1;
    if (calls === 1) response.destroy();
    else if (calls === 2) response.writeHead(503).end();
    else response.writeHead(200, { 'content-type': ociManifest, 'docker-content-digest': digestOf('x'), 'content-length': 1 }).end();
  });
  using client = connectRegistry({ registry: server.host, plainHttp: true });
  assert.equal((await client.resolve(repository, 'v1'))?.digest, digestOf('x'));
  assert.equal(calls, 3);
});
