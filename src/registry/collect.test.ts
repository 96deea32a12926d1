import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { appendFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { digestOf, hexOf, type Digest } from '../kernel/digest.ts';
import { connectRegistry } from '../oci/client.ts';
import type { RegistryClient } from '../oci/client-types.ts';
import { lookAnnotation } from '../oci/look-annotation.ts';
import { ociConfig, ociIndex, ociLayerTarGzip, ociManifest } from '../oci/media-types.ts';
import { referrersTag } from '../oci/referrers.ts';
import type { Collected, CollectOptions } from './collect.ts';
import { startTestRegistry, type TestOptions, type TestRegistry } from './registry.fixture.ts';

const hour = 3_600_000;
const signal = AbortSignal.timeout(60_000);

type Stand = AsyncDisposable & {
  readonly t: TestRegistry;
  client(repository?: string): Promise<RegistryClient>;
  collect(keep: readonly string[], more?: Partial<CollectOptions>): Promise<Collected>;
};

async function stand(options: TestOptions = {}): Promise<Stand> {
  const stack = new AsyncDisposableStack();
  const t = stack.use(await startTestRegistry(options));
  return {
    t,
    async client(repository = 'shop/shop') {
      const push = stack.use(await t.registry.mintPush({ repository, run: 1, ttlMs: 6 * hour }));
      return stack.use(connectRegistry({ registry: t.host, plainHttp: true, auth: { bearer: push.token } }));
    },
    collect: (keep, more) =>
      t.registry.collect({
        rootReason: ({ digest }) => (keep.includes(digest) ? 'it runs' : undefined),
        graceMs: hour,
        dryRun: false,
        signal,
        ...more,
      }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function blob(client: RegistryClient, bytes: Buffer, mediaType: string, repository = 'shop/shop') {
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
  if (!(await client.hasBlob(repository, descriptor.digest))) await client.putBlob(repository, { bytes }, descriptor);
  return descriptor;
}

async function image(client: RegistryClient, tag: string | undefined, layer = randomBytes(500), repository = 'shop/shop') {
  const config = await blob(client, Buffer.from(JSON.stringify({ tag, n: Math.random() })), ociConfig, repository);
  const layers = [await blob(client, layer, ociLayerTarGzip, repository)];
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, config, layers }));
  const { digest } = await client.putManifest(repository, bytes, ociManifest, tag === undefined ? {} : { tag });
  return { digest, size: bytes.length, mediaType: ociManifest, layer: layers[0]?.digest as Digest };
}

const files = async (t: TestRegistry): Promise<string[]> =>
  (await readdir(path.join(t.folder, 'registry/blobs'), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name)
    .sort();

test('what nothing needs goes with its papers, what is needed stays with its own', async () => {
  await using s = await stand();
  const client = await s.client();
  const shared = randomBytes(700);
  const old = await image(client, 'r1', shared);
  const current = await image(client, 'r2', shared);
  const member = await image(client, undefined);
  const index = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: ociIndex,
      manifests: [{ mediaType: ociManifest, digest: member.digest, size: member.size }],
    }),
  );
  const listed = await client.putManifest('shop/shop', index, ociIndex, { tag: 'r3' });
  for (const subject of [old, current]) {
    await client.attachReferrer('shop/shop', subject, {
      artifactType: 'application/x',
      blob: Buffer.from(`about ${subject.digest}`),
      blobMediaType: 'application/x',
    });
    await image(client, `${referrersTag(subject.digest)}.sig`);
  }
  const before = await files(s.t);

  assert.equal((await s.collect([])).manifests, 0, 'everything is younger than the grace');
  s.t.time.aheadMs += 7 * hour;
  const plan = await s.collect([current.digest, listed.digest], { dryRun: true });
  assert.deepEqual(await files(s.t), before, 'a dry run removes nothing');
  const done = await s.collect([current.digest, listed.digest]);
  assert.deepEqual({ ...plan, images: [] }, { ...done, images: [] }, 'and says what the real one does');
  assert.equal(done.manifests, 3, 'the image, its referrer, its signature');
  assert.deepEqual(
    done.images.map(({ digest, fate, why }) => [digest, fate, why]).sort(),
    [
      [old.digest, 'removed', 'nothing needs it'],
      [current.digest, 'kept', 'it runs'],
      [listed.digest, 'kept', 'it runs'],
    ].sort(),
  );
  const fresh = await s.client();
  assert.equal(await fresh.resolve('shop/shop', 'r1'), undefined);
  assert.deepEqual(await fresh.listReferrers('shop/shop', old.digest), []);
  assert.equal((await fresh.listReferrers('shop/shop', current.digest)).length, 1);
  for (const needed of [current.digest, listed.digest, member.digest, `${referrersTag(current.digest)}.sig`])
    assert.ok(await fresh.resolve('shop/shop', needed), needed);
  assert.ok(await fresh.hasBlob('shop/shop', current.layer), 'the layer that both had');
  assert.equal((await s.t.registry.check({ deep: true, quarantine: false, signal })).damages.length, 0);
  assert.equal((await s.collect([current.digest, listed.digest])).blobs, 0, 'nothing is left to do');
});

test('of later looks at an image the newest stays, and what is younger than a week; its other papers stay whatever their age', async () => {
  await using s = await stand();
  const client = await s.client();
  const looked = await image(client, 'r1');
  const ago = (days: number) => new Date(Date.now() - days * 24 * hour).toISOString();
  const attach = (text: string, annotations?: Readonly<Record<string, string>>) =>
    client.attachReferrer('shop/shop', looked, {
      artifactType: 'application/x',
      blob: Buffer.from(text),
      blobMediaType: 'application/x',
      ...(annotations ? { annotations } : {}),
    });
  const ofTheRun = await attach('of the run');
  const others = await attach('a time that is none', { [lookAnnotation]: 'lately' });
  const old = [await attach('one', { [lookAnnotation]: ago(30) }), await attach('two', { [lookAnnotation]: ago(20) })];
  const newest = await attach('three', { [lookAnnotation]: ago(10) });
  s.t.time.aheadMs += 2 * hour;
  assert.equal((await s.collect([looked.digest])).manifests, 2);
  const fresh = await s.client();
  const left = async () => (await fresh.listReferrers('shop/shop', looked.digest)).map(({ digest }) => digest).toSorted();
  assert.deepEqual(await left(), [ofTheRun, others, newest].map(({ digest }) => digest).toSorted());
  assert.ok(old.every(({ digest }) => digest !== newest.digest));
  const young = await attach('four', { [lookAnnotation]: ago(1) });
  const younger = await attach('five', { [lookAnnotation]: ago(0) });
  s.t.time.aheadMs += 2 * hour;
  assert.equal((await s.collect([looked.digest])).manifests, 1);
  assert.deepEqual(await left(), [ofTheRun, others, young, younger].map(({ digest }) => digest).toSorted());
});

test('a file of a push that was cut off is taken; one that is just arriving is not', async () => {
  await using s = await stand();
  const client = await s.client();
  await image(client, 'r1');
  const folder = path.join(s.t.folder, 'registry/blobs/sha256/aa');
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'a'.repeat(64)), 'stray');
  assert.equal((await s.t.registry.check({ deep: false, quarantine: false, signal })).strays, 1);
  assert.equal((await s.collect([])).blobs, 0);
  s.t.time.aheadMs += 2 * hour;
  const { blobs, bytes } = await s.collect([], { rootReason: () => 'kept' });
  assert.deepEqual([blobs, bytes], [1, 5]);
  assert.ok(!(await files(s.t)).includes('a'.repeat(64)));
});

test('pushes and collections at once: whoever was told that a blob is there can name it', async () => {
  await using s = await stand();
  const client = await s.client();
  const layers = Array.from({ length: 4 }, () => randomBytes(300));
  const stop = new AbortController();
  let rounds = 0;
  const collecting = (async () => {
    while (!stop.signal.aborted) {
      // No grace at all: nothing but leases and transactions protects a push.
      await s.collect([], { graceMs: -1000 });
      rounds += 1;
    }
  })();
  const met = () => rounds > 3;
  const pushing = Array.from({ length: 3 }, async (_, worker) => {
    // Until some collections have passed between them, however slow they are beside so many pushes.
    for (let n = 0; n < 60 || (!met() && n < 3_000); n++) {
      const { digest } = await image(client, `w${worker}-${n}`, layers[n % layers.length]);
      assert.ok(digest);
    }
  });
  try {
    await Promise.all(pushing);
  } finally {
    stop.abort();
    await collecting;
  }
  assert.ok(met(), `${rounds} collections`);
  const { damages } = await s.t.registry.check({ deep: true, quarantine: false, signal });
  assert.deepEqual(damages, []);
});

test('fsck names what is damaged and whom it hits, and a quarantined blob is healed by pushing it again', async () => {
  await using s = await stand();
  const client = await s.client();
  const bytes = [randomBytes(900), randomBytes(901), randomBytes(902)] as const;
  const images = [
    await image(client, 'changed', bytes[0]),
    await image(client, 'longer', bytes[1]),
    await image(client, 'gone', bytes[2]),
  ] as const;
  const fileOf = (digest: Digest) => path.join(s.t.folder, 'registry/blobs/sha256', hexOf(digest).slice(0, 2), hexOf(digest));
  await writeFile(fileOf(images[0].layer), randomBytes(900));
  await appendFile(fileOf(images[1].layer), 'x');
  await rm(fileOf(images[2].layer));
  const told = async (deep: boolean, quarantine = false) =>
    (await s.t.registry.check({ deep, quarantine, signal })).damages.map(({ kind, digest, hits }) => [kind, digest, ...hits]).sort();
  const shallow = [
    ['blob-missing', images[2].layer, 'shop/shop:gone'],
    ['blob-size', images[1].layer, 'shop/shop:longer'],
  ];
  assert.deepEqual(await told(false), shallow);
  assert.deepEqual(await told(true, true), [['blob-digest', images[0].layer, 'shop/shop:changed'], ...shallow].sort());
  for (const [n, { layer }] of images.entries()) {
    assert.equal(await client.hasBlob('shop/shop', layer), false, 'never served again');
    await client.putBlob('shop/shop', { bytes: bytes[n] as Buffer }, { digest: layer, size: (bytes[n] as Buffer).length });
  }
  assert.deepEqual(await told(true), []);
});

test('quotas are told with what to do, and hold for what no header announced', async () => {
  await using s = await stand({ quota: { repositoryBytes: 1_000, repositories: { 'shop/large': 5_000 }, totalBytes: 6_000 } });
  const small = await s.client();
  const large = await s.client('shop/large');
  const put = (client: RegistryClient, repository: string, size: number) => blob(client, randomBytes(size), ociConfig, repository);
  await put(small, 'shop/shop', 800);
  await assert.rejects(put(small, 'shop/shop', 300), /quota of the repository shop\/shop is 1000 bytes.*waybill registry gc/);
  await put(large, 'shop/large', 4_000);
  await assert.rejects(put(large, 'shop/large', 1_500), /quota of the repository shop\/large is 5000/);
  const other = await s.client('shop/other');
  await put(other, 'shop/other', 900);
  const last = await s.client('shop/last');
  await assert.rejects(put(last, 'shop/last', 500), /quota of the registry is 6000 bytes/);
  const usage = await s.t.registry.usage();
  assert.deepEqual(
    usage.repositories.map(({ repository, bytes, limit }) => [repository, bytes, limit]),
    [
      ['shop/large', 4_000, 5_000],
      ['shop/other', 900, 1_000],
      ['shop/shop', 800, 1_000],
    ],
  );
  assert.equal(usage.bytes, 5_700);
  await using full = await stand({ quota: { minimumFreeBytes: Number.MAX_SAFE_INTEGER } });
  await assert.rejects(put(await full.client(), 'shop/shop', 10), /disk of the registry is nearly full/);
});
