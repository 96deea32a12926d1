import { strict as assert } from 'node:assert';
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { test } from 'node:test';
import { digestOf, hexOf, type Digest } from '../../kernel/digest.ts';
import { connectRegistry } from '../../oci/client.ts';
import type { RegistryClient, Resolved } from '../../oci/client-types.ts';
import { ociConfig, ociManifest } from '../../oci/media-types.ts';
import { startTestRegistry, type TestRegistry } from '../registry.fixture.ts';
import { copyImage, type Copy } from './copy-image.ts';

type Handle = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** As registries are that know neither referrers nor subjects. */
const withoutReferrers =
  (handle: Handle): Handle =>
  async (request, response) => {
    if (/\/referrers\//.test(request.url ?? '')) {
      response.writeHead(404).end('404 page not found');
      return;
    }
    const { writeHead } = response;
    response.writeHead = function (this: ServerResponse, ...args: never[]) {
      response.removeHeader('oci-subject');
      for (const each of args as unknown[])
        if (typeof each === 'object' && each !== null)
          for (const key of Object.keys(each)) if (key.toLowerCase() === 'oci-subject') delete (each as Record<string, unknown>)[key];
      return writeHead.apply(response, args as never);
    } as never;
    await handle(request, response);
  };

const open = (wrap?: (handle: Handle) => Handle) => startTestRegistry({ open: true, mutableTags: true, ...(wrap ? { wrap } : {}) });
const connect = (server: TestRegistry) => connectRegistry({ registry: server.host, plainHttp: true });

async function putManifest(client: RegistryClient, layers: readonly Buffer[], tag?: string): Promise<Resolved> {
  const config = Buffer.from(JSON.stringify({ at: randomBytes(4).toString('hex') }));
  for (const bytes of [config, ...layers]) await client.putBlob('shop/shop', { bytes }, { digest: digestOf(bytes), size: bytes.length });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: ociManifest,
      config: { mediaType: ociConfig, digest: digestOf(config), size: config.length },
      layers: layers.map((bytes) => ({ mediaType: 'application/x', digest: digestOf(bytes), size: bytes.length })),
    }),
  );
  const { digest } = await client.putManifest('shop/shop', manifest, ociManifest, tag === undefined ? {} : { tag });
  return { digest, mediaType: ociManifest, size: manifest.length };
}

/** An image with three papers and cosign's tags. */
async function sample(client: RegistryClient): Promise<Resolved> {
  const image = await putManifest(client, [randomBytes(300_000), randomBytes(1000)], 'r1');
  for (const text of ['review', 'tests', 'summary'])
    await client.attachReferrer('shop/shop', image, {
      artifactType: 'application/vnd.example',
      blob: Buffer.from(text),
      blobMediaType: 'text/plain',
    });
  for (const end of ['sig', 'att']) await putManifest(client, [Buffer.from(end)], `sha256-${hexOf(image.digest)}.${end}`);
  return image;
}

const copyOf = (from: RegistryClient, to: RegistryClient, digest: Digest, tag = 'r1'): Copy & { lines: string[] } => {
  const lines: string[] = [];
  return {
    from,
    to,
    source: 'shop/shop',
    target: 'acme/shop-shop',
    digest,
    tag,
    signal: AbortSignal.timeout(60_000),
    onProgress: (line) => lines.push(line),
    lines,
  };
};

for (const [kind, wrap] of [
  ['api', undefined],
  ['tag', withoutReferrers],
] as const)
  test(`an image arrives with its papers and cosign's tags, and again without sending anything (referrers: ${kind})`, async () => {
    await using here = await open();
    await using there = await open(wrap);
    using from = connect(here);
    using to = connect(there);
    const { digest } = await sample(from);
    const first = await copyImage(copyOf(from, to, digest));
    assert.equal(first.referrers, kind);
    assert.equal(first.papers, 3);
    assert.equal((await to.resolve('acme/shop-shop', 'r1'))?.digest, digest);
    assert.deepEqual(
      (await to.listReferrers('acme/shop-shop', digest)).map((one) => one.digest).sort(),
      (await from.listReferrers('shop/shop', digest)).map((one) => one.digest).sort(),
    );
    for (const end of ['sig', 'att']) {
      const tag = `sha256-${hexOf(digest)}.${end}`;
      assert.equal((await to.resolve('acme/shop-shop', tag))?.digest, (await from.resolve('shop/shop', tag))?.digest);
    }
    const second = await copyImage(copyOf(from, to, digest, 'r2'));
    assert.equal(second.blobs, 0);
    assert.equal((await to.resolve('acme/shop-shop', 'r2'))?.digest, digest);
    // A later run has signed one more paper for the same digest.
    const image = await from.resolve('shop/shop', digest);
    assert.ok(image);
    await from.attachReferrer('shop/shop', image, {
      artifactType: 'application/vnd.example',
      blob: Buffer.from('again'),
      blobMediaType: 'text/plain',
    });
    await copyImage(copyOf(from, to, digest, 'r3'));
    assert.equal((await to.listReferrers('acme/shop-shop', digest)).length, 4);
  });

test('tags that do not move are no obstacle to a second try, and a tag with other content is never overwritten', async () => {
  await using here = await open();
  await using there = await startTestRegistry({ open: true, mutableTags: false });
  using from = connect(here);
  using to = connect(there);
  const { digest } = await sample(from);
  await copyImage(copyOf(from, to, digest));
  await copyImage(copyOf(from, to, digest));
  const other = await sample(from);
  await assert.rejects(copyImage(copyOf(from, to, other.digest)), { code: 'CONFLICT', message: /somebody else has written there/ });
  assert.equal((await to.resolve('acme/shop-shop', 'r1'))?.digest, digest);
});

test('a registry that fails for a moment is asked again, and one that refuses is not', async () => {
  await using here = await open();
  let failures = 0;
  let refuse = false;
  await using there = await open((handle) => async (request, response) => {
    if (request.method === 'PUT' && /uploads/.test(request.url ?? '') && (refuse || failures++ < 2)) {
      request.resume();
      response.writeHead(refuse ? 403 : 500).end();
      return;
    }
    await handle(request, response);
  });
  using from = connect(here);
  using to = connect(there);
  const { digest } = await sample(from);
  const copy = copyOf(from, to, digest);
  await copyImage(copy);
  assert.ok(
    copy.lines.some((line) => /once more in 500 ms.*answered 500/.test(line)),
    copy.lines.join('\n'),
  );
  refuse = true;
  const other = await sample(from);
  await assert.rejects(copyImage(copyOf(from, to, other.digest, 'r2')), { code: 'FORBIDDEN' });
  assert.equal(await to.resolve('acme/shop-shop', 'r2'), undefined);
});

test('a registry that forgets what it took is found out', async () => {
  await using here = await open();
  await using there = await open((handle) => async (request, response) => {
    if (request.method === 'PUT' && (request.url ?? '').endsWith('/manifests/r1')) {
      request.resume();
      response.writeHead(201).end();
      return;
    }
    await handle(request, response);
  });
  using from = connect(here);
  using to = connect(there);
  const { digest } = await sample(from);
  await assert.rejects(copyImage(copyOf(from, to, digest)), {
    code: 'REGISTRY_FAILED',
    message: /the tag r1 was written and is not there/,
  });
});
