import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import type { Config } from '../config/config.ts';
import { buildImage } from '../image/layers/build-image.ts';
import { contextOf, planned, temporaryFolder } from '../image/layers/test-build.ts';
import { readLayoutImage } from '../image/inspect/image-reader.ts';
import { systemClock } from '../kernel/clock.ts';
import { openScanners } from './scanners.ts';

test('the list of components of an image says what of it was not read, and what the image is', { timeout: 60_000 }, async () => {
  await using folder = await temporaryFolder();
  const root = folder.path;
  const scanners = openScanners({
    config: { folders: { advisories: path.join(root, 'advisories'), repositories: root, scans: root } } as Config,
    source: {} as never,
    clock: systemClock,
    version: '1.0.0',
    searchPath: '',
  });
  const scan = async (files: Readonly<Record<string, string>>, user: string) => {
    const [tree, layout] = [path.join(root, `tree${user}`), path.join(root, `layout${user}`)];
    for (const [name, content] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(tree, name)), { recursive: true });
      await writeFile(path.join(tree, name), content);
    }
    const { digest } = await buildImage(planned([{ from: '.', to: '/' }], { config: { user } }), contextOf(tree, layout));
    const of = { image: await readLayoutImage(layout, digest), digest, name: 'import/db', salt: undefined };
    const { sbom, facts } = await scanners.image(of, { signal: AbortSignal.timeout(50_000), log: () => undefined });
    const { metadata, compositions } = JSON.parse(sbom) as {
      metadata: { properties?: { name: string; value: string }[] };
      compositions?: { aggregate: string }[];
    };
    return { facts, unread: metadata.properties?.map(({ name, value }) => `${name} ${value}`), aggregate: compositions?.[0]?.aggregate };
  };
  const packages = { 'app/node_modules/a/package.json': '{"name":"a","version":"1.0.0"}' };
  const whole = await scan(packages, '1000');
  assert.deepEqual([whole.unread, whole.aggregate], [undefined, undefined]);
  assert.deepEqual([whole.facts.systems, whole.facts.root, whole.facts.platforms.length], [[], false, 1]);
  assert.ok(whole.facts.bytes > 100 && whole.facts.bytes < 10_000);
  const lacking = await scan(
    { ...packages, 'etc/os-release': 'ID=debian\nVERSION_ID="12"\n', 'usr/lib/sysimage/rpm/Packages.db': 'x' },
    '0',
  );
  assert.equal(lacking.aggregate, 'incomplete');
  assert.match(lacking.unread?.join('\n') ?? '', /^waybill:not-read usr\/lib\/sysimage\/rpm\/Packages\.db: packages of rpm are not read/m);
  assert.deepEqual([lacking.facts.systems, lacking.facts.root], [['debian 12'], true]);
});
