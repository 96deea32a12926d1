import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { systemClock } from '../../kernel/clock.ts';
import { digestOf, type Digest } from '../../kernel/digest.ts';
import type { RunId } from '../../kernel/ids.ts';
import { openStore } from '../../store/store.ts';
import { openDatabase } from '../advisories/database.ts';
import { folderSource } from '../advisories/folder-source.ts';
import { updateDatabase } from '../advisories/update.ts';
import type { Component } from '../component.ts';
import { sbomOf } from '../sbom/cyclonedx.ts';
import { openInventory, type Inventory } from './inventory.ts';
import { inventoryMigrations } from './migrations.ts';
import { parseWanted } from './wanted.ts';

const component = (purl: string, ecosystem: string, name: string, version: string, more: Partial<Component> = {}): Component => ({
  purl,
  ecosystem,
  name,
  version,
  scope: 'runtime',
  hashes: [],
  places: [{ path: 'x' }],
  ...more,
});
const npm = (name: string, version: string) => component(`pkg:npm/${name}@${version}`, 'npm', name, version);
const ssl = component('pkg:deb/debian/libssl3@3.0.9-1', 'Debian:12', 'libssl3', '3.0.9-1', {
  source: { name: 'openssl', version: '3.0.9-1' },
});

const sbom = (components: readonly Component[], needs: Record<string, readonly string[]> = {}, sourceOnly: readonly string[] = []) =>
  sbomOf({
    inventory: { components, needs: new Map(Object.entries(needs)) },
    subject: { type: 'container', name: 'shop/web' },
    scanner: 'waybill 1',
    sourceOnly: new Set(sourceOnly),
  });

const advisory = (id: string, name: string, fixed: string, ecosystem = 'npm', aliases: readonly string[] = []) => ({
  schema_version: '1.6.0',
  id,
  aliases,
  modified: '2026-01-01T00:00:00Z',
  summary: `something is wrong with ${name}`,
  affected: [
    {
      package: { ecosystem, name },
      ranges: [{ type: ecosystem === 'npm' ? 'SEMVER' : 'ECOSYSTEM', events: [{ introduced: '0' }, { fixed }] }],
    },
  ],
});

type Setting = AsyncDisposable & {
  readonly inventory: Inventory;
  readonly add: (repository: string, run: number, text: string) => Promise<Digest>;
  readonly publish: (...records: readonly { readonly id: string }[]) => Promise<void>;
  readonly match: (signal?: AbortSignal) => ReturnType<Inventory['matchAgain']>;
  readonly who: (what: string, digests?: readonly string[], limit?: number) => Promise<readonly string[]>;
};

async function setting(t: TestContext): Promise<Setting> {
  const root = await mkdtemp(path.join(tmpdir(), 'waybill-inventory-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const store = openStore(path.join(root, 'waybill.db'));
  await store.migrate(inventoryMigrations);
  const inventory = openInventory(store, systemClock);
  const folder = path.join(root, 'advisories');
  return {
    inventory,
    async add(repository, run, text) {
      const digest = digestOf(`${repository} ${run}`);
      await inventory.add({ repository, digest, run: run as RunId, sbom: digestOf(text) }, text);
      return digest;
    },
    async publish(...records) {
      const source = path.join(root, 'source');
      await rm(source, { recursive: true, force: true });
      for (const ecosystem of ['npm', 'Debian']) await mkdir(path.join(source, ecosystem), { recursive: true });
      for (const record of records) {
        const into = JSON.stringify(record).includes('"Debian:12"') ? 'Debian' : 'npm';
        await writeFile(path.join(source, into, `${record.id}.json`), JSON.stringify(record));
      }
      const signal = AbortSignal.timeout(30_000);
      const results = await updateDatabase({
        folder,
        source: folderSource(source),
        clock: systemClock,
        signal,
        ecosystems: ['npm', 'Debian'],
      });
      assert.equal(results.find(({ ecosystem }) => ecosystem === 'npm')?.outcome, 'updated');
    },
    async match(signal = AbortSignal.timeout(30_000)) {
      using database = await openDatabase(folder);
      return await inventory.matchAgain(database, signal);
    },
    async who(what, digests = [], limit = 50) {
      const { images } = await inventory.find(parseWanted(what), { digests, limit });
      return images.map((image) => `${image.repository} ${'run' in image ? image.run : image.import}`);
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

test('an image has changed when something else is known about one of its components, and not because it was indexed', async (t) => {
  await using s = await setting(t);
  const web = await s.add('shop/web', 1, sbom([npm('lodash', '4.17.20'), npm('left', '1.0.0')]));
  const api = await s.add('shop/api', 2, sbom([npm('left', '1.0.0')]));
  const since = async (time: string) => [...(await s.inventory.changedSince(time)).keys()].toSorted();
  await s.publish(advisory('CVE-2026-1', 'lodash', '4.17.21'));
  await s.match();
  assert.deepEqual(await since(''), []);
  for (const [records, changed] of [
    [[advisory('CVE-2026-1', 'lodash', '4.17.22')], [web]],
    [
      [advisory('CVE-2026-1', 'lodash', '4.17.22'), advisory('CVE-2026-2', 'left', '2.0.0')],
      [web, api],
    ],
    [[advisory('CVE-2026-2', 'left', '2.0.0')], [web]],
  ] as const) {
    const before = new Date().toISOString();
    await setTimeout(5);
    await s.publish(...records);
    await s.match();
    assert.deepEqual(await since(before), changed.toSorted());
    assert.deepEqual(await since(new Date().toISOString()), []);
  }
});

suite('which images have it', () => {
  test('by name, range, ecosystem, purl and source package; newest first', async (t) => {
    await using s = await setting(t);
    await s.add('shop/web', 1, sbom([npm('lodash', '4.17.20'), ssl]));
    await s.add('shop/api', 2, sbom([npm('lodash', '4.17.21'), component('pkg:pypi/lodash@1.0', 'PyPI', 'lodash', '1.0')]));
    await s.add('shop/web', 3, sbom([npm('lodash', 'git+https://x')]));
    assert.deepEqual(await s.who('lodash'), ['shop/web 3', 'shop/api 2', 'shop/web 1']);
    assert.deepEqual(await s.who('npm:lodash@<4.17.21'), ['shop/web 1']);
    assert.deepEqual(await s.who('pypi:lodash'), ['shop/api 2']);
    assert.deepEqual(await s.who('pkg:npm/lodash@4.17.21'), ['shop/api 2']);
    assert.deepEqual(await s.who('openssl@<3.0.11-1'), ['shop/web 1']);
    assert.deepEqual(await s.who('debian:11:openssl'), []);
    const { unclear, looked, components } = await s.inventory.find(parseWanted('lodash@<4'), { digests: [], limit: 9 });
    assert.deepEqual(
      unclear.map(({ purl }) => purl),
      ['pkg:npm/lodash@git+https://x'],
    );
    assert.deepEqual(
      components.map(({ purl }) => purl),
      ['pkg:pypi/lodash@1.0'],
    );
    assert.deepEqual(looked, { images: 3, components: 5 });
  });

  test('a range that only one of two ecosystems understands is told; one that none does is refused', async (t) => {
    await using s = await setting(t);
    await s.add('shop/web', 1, sbom([npm('lodash', '4.17.20'), component('pkg:pypi/lodash@1.0', 'PyPI', 'lodash', '1.0')]));
    const found = await s.inventory.find(parseWanted('lodash@^4'), { digests: [], limit: 9 });
    assert.equal(found.imageCount, 1);
    assert.match(found.notes.join(), /PyPI has a package of that name, but .*left out/);
    await assert.rejects(s.inventory.find(parseWanted('pypi:lodash@^4'), { digests: [], limit: 9 }), { code: 'INVALID_INPUT' });
    await assert.rejects(s.inventory.find(parseWanted('lodash@<<1'), { digests: [], limit: 9 }), { code: 'INVALID_INPUT' });
    await assert.rejects(s.inventory.find(parseWanted('nobody-has-it@<<1'), { digests: [], limit: 9 }), { code: 'INVALID_INPUT' });
    await assert.rejects(s.inventory.find(parseWanted("npm:x@<1' OR 1=1 --"), { digests: [], limit: 9 }), { code: 'INVALID_INPUT' });
    assert.deepEqual(await s.who("x' OR '1'='1".replaceAll(' ', '')), []);
    assert.deepEqual(await s.who('%'.concat('a')), []);
  });

  test('in the image or only in its source, and how it came in', async (t) => {
    await using s = await setting(t);
    const text = sbom(
      [npm('express', '4.0.0'), npm('lodash', '4.17.20'), npm('send', '1.0.0')],
      {
        './web': ['pkg:npm/express@4.0.0'],
        'pkg:npm/express@4.0.0': ['pkg:npm/send@1.0.0'],
        'pkg:npm/send@1.0.0': ['pkg:npm/lodash@4.17.20'],
      },
      ['pkg:npm/lodash@4.17.20'],
    );
    await s.add('shop/web', 1, text);
    const { images } = await s.inventory.find(parseWanted('lodash'), { digests: [], limit: 9 });
    assert.deepEqual(
      images[0]?.components.map(({ foundIn, way }) => ({ foundIn, way })),
      [{ foundIn: 'source', way: ['./web', 'pkg:npm/express@4.0.0', 'pkg:npm/send@1.0.0', 'pkg:npm/lodash@4.17.20'] }],
    );
    // A project is no component.
    assert.deepEqual(await s.who('web'), []);
  });

  test('what is in use is shown whatever the limit is', async (t) => {
    await using s = await setting(t);
    const old = await s.add('shop/web', 1, sbom([npm('lodash', '4.17.20')]));
    for (let run = 2; run < 8; run++) await s.add('shop/web', run, sbom([npm('lodash', '4.17.20')]));
    assert.deepEqual(await s.who('lodash', [old, digestOf('unknown')], 2), ['shop/web 7', 'shop/web 6', 'shop/web 1']);
    assert.equal((await s.inventory.find(parseWanted('lodash'), { digests: [], limit: 0 })).imageCount, 7);
  });

  test('what the registry collected goes, what a release names stays and says so, what comes again is there again', async (t) => {
    await using s = await setting(t);
    await s.publish(advisory('GHSA-aaaa-bbbb-cccc', 'lodash', '4.17.21'));
    const gone = await s.add('shop/web', 1, sbom([npm('lodash', '4.17.20'), npm('a', '1.0.0')]));
    const kept = await s.add('shop/web', 2, sbom([npm('a', '1.0.0')]));
    await s.match();
    const both = [gone, kept].map((digest) => ({ repository: 'shop/web', digest }));
    await s.inventory.forget([...both, { repository: 'shop/other', digest: digestOf('x') }], new Set([kept]));
    assert.deepEqual(await s.who('lodash'), []);
    assert.deepEqual(await s.who('GHSA-aaaa-bbbb-cccc'), []);
    const { images } = await s.inventory.find(parseWanted('a'), { digests: [], limit: 9 });
    assert.deepEqual(
      images.map((image) => ['run' in image && image.run, image.collectedAt !== undefined]),
      [[2, true]],
    );
    assert.ok(await s.inventory.has({ repository: 'shop/web', digest: gone, run: 1 as RunId }));
    assert.ok(!(await s.inventory.has({ repository: 'shop/web', digest: gone, run: 9 as RunId })));
    const text = sbom([npm('lodash', '4.17.20')]);
    await s.inventory.add({ repository: 'shop/web', digest: gone, run: 9 as RunId, sbom: digestOf(text) }, text);
    assert.deepEqual(await s.who('lodash'), ['shop/web 9']);
  });

  test('the same image twice is one; what is no SBOM leaves nothing behind', async (t) => {
    await using s = await setting(t);
    const text = sbom([npm('lodash', '4.17.20')]);
    await s.add('shop/web', 1, text);
    await s.add('shop/web', 1, text);
    for (const bad of ['', '{', '[]', '{"bomFormat":"SPDX"}', '{"bomFormat":"CycloneDX","components":[{"a":1}]}', '['.repeat(100_000)])
      await assert.rejects(s.add('shop/web', 2, bad), { code: 'INVALID_INPUT' });
    assert.deepEqual(await s.who('lodash'), ['shop/web 1']);
  });
});

suite('new advisories', () => {
  test('what was known at first is no news; what is published later is, once, with the newest image without it', async (t) => {
    await using s = await setting(t);
    await s.publish(advisory('GHSA-aaaa-bbbb-cccc', 'lodash', '4.17.21', 'npm', ['CVE-2026-0001']));
    const vulnerable = await s.add('shop/web', 1, sbom([npm('lodash', '4.17.20'), npm('express', '4.0.0'), ssl]));
    await s.add('shop/api', 2, sbom([npm('express', '4.0.0')]));
    const clean = await s.add('shop/web', 3, sbom([npm('express', '5.0.0')]));
    await s.match();
    const all = { limit: 50, digests: [], better: true };
    assert.deepEqual(await s.inventory.newlyVulnerable(all), []);
    // Every name of it finds it.
    for (const name of ['CVE-2026-0001', 'cve-2026-0001', 'GHSA-aaaa-bbbb-cccc']) assert.deepEqual(await s.who(name), ['shop/web 1']);
    assert.deepEqual(await s.who('CVE-2026-9999'), []);

    await s.publish(
      advisory('GHSA-aaaa-bbbb-cccc', 'lodash', '4.17.21', 'npm', ['CVE-2026-0001']),
      advisory('GHSA-dddd-eeee-ffff', 'express', '5.0.0'),
      advisory('DEBIAN-CVE-2026-0002', 'openssl', '3.0.11-1', 'Debian:12'),
    );
    assert.equal((await s.match()).appeared, 2);
    assert.deepEqual(await s.match(), { components: 0, appeared: 0, gone: 0 });
    const news = await s.inventory.newlyVulnerable({ ...all, untold: true, digests: [vulnerable] });
    const express = news.find(({ advisory: id }) => id === 'GHSA-dddd-eeee-ffff');
    assert.deepEqual(
      express?.components.map(({ purl, fixed }) => ({ purl, fixed })),
      [{ purl: 'pkg:npm/express@4.0.0', fixed: ['5.0.0'] }],
    );
    assert.deepEqual(express?.images, [
      { repository: 'shop/web', digest: vulnerable, newestWithout: clean },
      { repository: 'shop/api', digest: digestOf('shop/api 2') },
    ]);
    // Debian was looked up when there were no advisories for it: what is found at first is no news.
    assert.deepEqual(await s.who('DEBIAN-CVE-2026-0002'), ['shop/web 1']);
  });

  test('what is withdrawn goes; a batch that was cut off goes on where it was', async (t) => {
    await using s = await setting(t);
    await s.publish(advisory('GHSA-aaaa-bbbb-cccc', 'p1', '2.0.0'));
    await s.add('shop/web', 1, sbom(Array.from({ length: 600 }, (_, n) => npm(`p${n}`, '1.0.0'))));
    await s.match();
    await s.publish(advisory('GHSA-dddd-eeee-ffff', 'p2', '2.0.0'), advisory('GHSA-gggg-hhhh-jjjj', 'p599', '2.0.0'));
    const stop = new AbortController();
    stop.abort(new Error('enough'));
    await assert.rejects(s.match(stop.signal), /enough/);
    assert.deepEqual(await s.who('GHSA-aaaa-bbbb-cccc'), ['shop/web 1']);
    assert.deepEqual(await s.match(), { components: 600, appeared: 2, gone: 1 });
    assert.deepEqual(await s.who('GHSA-aaaa-bbbb-cccc'), []);
    assert.equal((await s.inventory.newlyVulnerable({ limit: 50, digests: [], better: true })).length, 2);
    assert.equal((await s.inventory.newlyVulnerable({ limit: 50, digests: [], better: true, since: '9999' })).length, 0);
  });
});
