import { appendFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { buildImage } from './build-image.ts';
import type { BuildProgress } from './build-context.ts';
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

  for (const place of await readdir(cache)) {
    const blobs = join(cache, place, 'blobs/sha256');
    for (const blob of await readdir(blobs)) await appendFile(join(blobs, blob), 'spoilt');
  }
  assert.deepEqual(await build(), { digest: plain.digest, cached: false });
  assert.deepEqual(await build(), { digest: plain.digest, cached: true });

  for (let change = 0; change < 6; change++) {
    await writeFile(join(source.path, 'a'), `change ${change}`);
    assert.equal((await build()).cached, false);
    assert.equal((await build()).cached, true);
  }
});
