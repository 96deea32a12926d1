import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deployMigrations } from '../deploy/migrations.ts';
import { openReleases } from '../deploy/releases.ts';
import { systemClock } from '../kernel/clock.ts';
import { digestOf } from '../kernel/digest.ts';
import { parseGitOid } from '../kernel/git-oid.ts';
import type { RunId } from '../kernel/ids.ts';
import { silentLogger } from '../kernel/logger.ts';
import { openInventory } from '../scan/inventory/inventory.ts';
import { inventoryMigrations } from '../scan/inventory/migrations.ts';
import { parseWanted } from '../scan/inventory/wanted.ts';
import { sbomOf } from '../scan/sbom/cyclonedx.ts';
import { openStore } from '../store/store.ts';
import { collectRegistry } from './collect-registry.ts';
import type { World } from './world.ts';

const purl = 'pkg:npm/a@1.0.0';
const text = sbomOf({
  inventory: {
    components: [{ purl, ecosystem: 'npm', name: 'a', version: '1.0.0', scope: 'runtime', hashes: [], places: [{ path: 'x' }] }],
    needs: new Map(),
  },
  subject: { type: 'container', name: 'shop/web' },
  scanner: 'waybill 1',
});

test('what images consisted of goes with them, and stays where a release names the image', async () => {
  await using store = openStore(':memory:');
  await store.migrate([...deployMigrations, ...inventoryMigrations]);
  const inventory = openInventory(store, systemClock);
  const releases = openReleases(store, systemClock);
  const images = [1, 2].map((run) => ({ repository: 'shop/web', digest: digestOf(`${run}`), run: run as RunId }));
  for (const image of images) await inventory.add({ ...image, sbom: digestOf(text) }, text);
  const released = digestOf('1');
  const commit = parseGitOid('a'.repeat(40));
  await releases.start({
    environment: 'prod',
    repository: 'shop',
    run: 1 as RunId,
    commit,
    digests: { web: released },
    manifestDigest: released,
    rollback: false,
  });
  const world = {
    clock: systemClock,
    logger: silentLogger,
    releases,
    environments: { list: async () => [{ name: 'prod' }] },
    target: async () => {
      throw new Error('away');
    },
    papers: { snapshot: async () => undefined },
    retention: { days: 1, perRepository: 1, releases: 1 },
    registry: {
      images: async () => [],
      collect: async () => ({
        images: images.map((image) => ({ ...image, tags: [], fate: 'removed', why: '' })),
        manifests: 2,
        blobs: 2,
        bytes: 2,
      }),
    },
    ledger: { append: async () => undefined },
    scanning: { inventory },
  } as unknown as World;
  const known = async () =>
    (await inventory.find(parseWanted('a'), { digests: [], limit: 9 })).images.map(({ digest, collectedAt }) => [
      digest,
      collectedAt !== undefined,
    ]);
  const both = [
    [digestOf('2'), false],
    [released, false],
  ];
  const signal = AbortSignal.timeout(30_000);
  await collectRegistry(world, 'timer', { dryRun: true, signal });
  assert.deepEqual(await known(), both);
  await collectRegistry(world, 'timer', { dryRun: false, signal });
  assert.deepEqual(await known(), [[released, true]]);
});
