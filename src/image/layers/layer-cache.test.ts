import { randomBytes } from 'node:crypto';
import { appendFile, mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { buildImage } from './build-image.ts';
import type { BuildProgress } from './build-context.ts';
import { createLayout } from '../../oci/layout.ts';
import { openLayerCache, type CachedLayer } from './layer-cache.ts';
import { contextOf, listLayer, planned, temporaryFolder } from './test-build.ts';

test('an unchanged layer comes from the cache with the same digest; a changed or spoilt one is made anew', async () => {
  await using source = await temporaryFolder();
  await using out = await temporaryFolder();
  const cache = join(out.path, 'cache');
  let builds = 0;
  const build = async (withCache = true) => {
    const events: BuildProgress[] = [];
    const context = contextOf(source.path, join(out.path, String(builds++)), {
      onProgress: (event) => events.push(event),
      ...(withCache && { cache }),
    });
    const image = await buildImage(planned([{ from: '.', to: '/app' }]), context);
    assert.ok((await listLayer(image, 0)).length > 0);
    return { digest: image.digest, cached: events.some((event) => event.kind === 'layer' && event.cached) };
  };
  await writeFile(join(source.path, 'a'), 'one');
  const plain = await build(false);
  assert.deepEqual(await build(), { digest: plain.digest, cached: false });
  assert.deepEqual(await build(), { digest: plain.digest, cached: true });

  for (const blob of await readdir(join(cache, 'blobs'))) await appendFile(join(cache, 'blobs', blob), 'spoilt');
  assert.deepEqual(await build(), { digest: plain.digest, cached: false });
  assert.deepEqual(await build(), { digest: plain.digest, cached: true });

  for (let change = 0; change < 6; change++) {
    await writeFile(join(source.path, 'a'), `change ${change}`);
    assert.equal((await build()).cached, false);
    assert.equal((await build()).cached, true);
  }
});

test('a folder that nobody touched is not even read; whatever is done to it, it is', async () => {
  await using source = await temporaryFolder();
  await using out = await temporaryFolder();
  const file = join(source.path, 'a');
  await writeFile(file, 'one');
  let builds = 0;
  const build = async () => {
    let cached = false;
    const context = contextOf(source.path, join(out.path, String(builds++)), {
      cache: join(out.path, 'cache'),
      sandbox: async () => ({ folder: source.path, async [Symbol.asyncDispose]() {} }),
      onProgress: (event) => void (event.kind === 'layer' && (cached = event.cached)),
    });
    const image = await buildImage(planned([{ from: '.', to: '/', after: ['x'] }]), context);
    return { lines: await listLayer(image, 0), cached };
  };
  await sleep(150);
  assert.deepEqual(await build(), { lines: ['a 644 one'], cached: false });
  // Without these, a layer is found by the stamps of its files alone.
  const records = await readdir(join(out.path, 'cache/records'));
  await Promise.all(records.filter((name) => name.startsWith('diff')).map((name) => rm(join(out.path, 'cache/records', name))));
  assert.deepEqual(await build(), { lines: ['a 644 one'], cached: true }, 'found without its diffID');

  const { mtime } = await stat(file);
  await writeFile(file, 'two');
  await utimes(file, mtime, mtime);
  assert.deepEqual(await build(), { lines: ['a 644 two'], cached: false }, 'same size, same mtime, other content');
  await writeFile(file, 'six');
  assert.deepEqual(await build(), { lines: ['a 644 six'], cached: false }, 'changed right after it was read');
  await rename(file, join(source.path, 'b'));
  assert.deepEqual((await build()).lines, ['b 644 six'], 'another name');
});

test('a whole place is found by one key; a spoilt layer, a changed file or another limit of layers is not taken for it', async () => {
  await using source = await temporaryFolder();
  await using out = await temporaryFolder();
  const cache = join(out.path, 'cache');
  for (let n = 0; n < 12; n++) {
    await mkdir(join(source.path, `node_modules/p${n}`), { recursive: true });
    await writeFile(join(source.path, `node_modules/p${n}/index.js`), randomBytes(3_000_000));
  }
  let builds = 0;
  const build = async () => {
    const made: string[] = [];
    const context = contextOf(source.path, join(out.path, String(builds++)), {
      cache,
      sandbox: async () => ({ folder: source.path, async [Symbol.asyncDispose]() {} }),
      onProgress: (event) => void (event.kind === 'layer' && !event.cached && made.push(event.layer.part ?? '')),
    });
    const image = await buildImage(planned([{ from: '.', to: '/', after: ['x'] }]), context);
    for (const index of image.layers.keys()) assert.ok((await listLayer(image, index)).length > 0);
    return { digest: image.digest, made: made.length };
  };
  await sleep(150);
  const first = await build();
  assert.ok(first.made > 1);
  const records = join(cache, 'records');
  const others = (await readdir(records)).filter((name) => !name.startsWith('parts-'));
  assert.equal((await readdir(records)).length - others.length, 1);
  await Promise.all(others.map((name) => rm(join(records, name))));
  assert.deepEqual(await build(), { ...first, made: 0 }, 'found by its one record');

  const [blob = ''] = await readdir(join(cache, 'blobs'));
  const { size } = await stat(join(cache, 'blobs', blob));
  await rm(join(cache, 'blobs', blob));
  await writeFile(join(cache, 'blobs', blob), Buffer.alloc(size));
  assert.equal((await build()).digest, first.digest, 'a layer of the right size and other bytes');

  await sleep(150);
  await build();
  await appendFile(join(source.path, 'node_modules/p3/index.js'), 'more');
  const changed = await build();
  assert.notEqual(changed.digest, first.digest);
  assert.equal(changed.made, 1);
});

test('the least used go when there is too much, and what a killed build left', async () => {
  await using folder = await temporaryFolder();
  const layout = await createLayout(join(folder.path, 'layout'));
  const cache = await openLayerCache(join(folder.path, 'cache'), { maxBytes: 2_500 });
  const left = join(folder.path, 'cache/blobs/.left');
  await writeFile(left, 'half');
  await utimes(left, new Date(0), new Date(0));
  const kept: CachedLayer[] = [];
  for (let n = 0; n < 4; n++) {
    const { digest, size } = await layout.addBlob(randomBytes(1000), 'application/octet-stream');
    const layer = { diffId: digest, digest, size };
    await cache.keep(layer, layout, { key: undefined, compressor: 'c', place: 'p', readFrom: 0 });
    kept.push(layer);
    await sleep(10);
    if (n === 1 && kept[0]) assert.deepEqual(await cache.byDiffId(kept[0].digest, 'c', layout), kept[0], 'used again');
    await sleep(10);
  }
  const found = await Promise.all(kept.map(async ({ diffId }) => (await cache.byDiffId(diffId, 'c', layout)) !== undefined));
  assert.deepEqual(found, [false, false, true, true]);
  assert.ok(!(await readdir(join(folder.path, 'cache/blobs'))).includes('.left'));
});
