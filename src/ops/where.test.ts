import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { endpoints } from '../api/endpoints.ts';
import type { Environment } from '../deploy/environment.ts';
import { deployMigrations } from '../deploy/migrations.ts';
import type { RunningContainer, Target } from '../deploy/port.ts';
import { openReleases } from '../deploy/releases.ts';
import { systemClock } from '../kernel/clock.ts';
import { digestOf, type Digest } from '../kernel/digest.ts';
import { WaybillError } from '../kernel/error.ts';
import { parseGitOid } from '../kernel/git-oid.ts';
import { parsePersonId } from '../identity/person.ts';
import type { RepositoryName, RunId } from '../kernel/ids.ts';
import { silentLogger } from '../kernel/logger.ts';
import { openLedger } from '../ledger/ledger.ts';
import { openImports } from '../registry/imports.ts';
import { registryMigrations } from '../registry/migrations.ts';
import { ledgerMigrations } from '../ledger/migrations.ts';
import { openJournal } from '../run/journal.ts';
import { runMigrations } from '../run/migrations.ts';
import { Semaphore } from '../run/semaphore.ts';
import { databaseStates, openDatabase } from '../scan/advisories/database.ts';
import { folderSource } from '../scan/advisories/folder-source.ts';
import { updateDatabase } from '../scan/advisories/update.ts';
import { openScanDocuments } from '../scan/documents.ts';
import { openInventory } from '../scan/inventory/inventory.ts';
import { inventoryMigrations } from '../scan/inventory/migrations.ts';
import { scanMigrations } from '../scan/migrations.ts';
import { sbomOf } from '../scan/sbom/cyclonedx.ts';
import { openStore } from '../store/store.ts';
import type { DoneLook } from './import-look.ts';
import { indexImported, indexMissed, indexPushed } from './index-images.ts';
import { matchImagesAgain } from './match-again.ts';
import { newlyVulnerable, where } from './where.ts';
import type { World } from './world.ts';

const signal = AbortSignal.timeout(60_000);
const commit = parseGitOid('a'.repeat(40));

const sbom = (...packages: readonly string[]) =>
  sbomOf({
    inventory: {
      components: packages.map((each) => {
        const [name = '', version = ''] = each.split('@');
        const purl = `pkg:npm/${each}`;
        return { purl, ecosystem: 'npm', name, version, scope: 'runtime', hashes: [], places: [{ path: 'package-lock.json' }] };
      }),
      needs: new Map([['./', packages.map((each) => `pkg:npm/${each}`)]]),
    },
    subject: { type: 'container', name: 'shop/web' },
    scanner: 'waybill 1',
  });

/** Real stores, a real ledger, real advisories; environments that say what a test wants them to. */
async function place(t: TestContext) {
  const root = await mkdtemp(path.join(tmpdir(), 'waybill-where-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const store = openStore(path.join(root, 'waybill.db'));
  await store.migrate([
    ...ledgerMigrations,
    ...runMigrations,
    ...deployMigrations,
    ...scanMigrations,
    ...inventoryMigrations,
    ...registryMigrations,
  ]);
  const folder = path.join(root, 'advisories');
  const environments: Environment[] = [];
  const says = new Map<string, () => Promise<readonly RunningContainer[]>>();
  const documents = openScanDocuments(store, systemClock);
  const ledger = await openLedger(store, systemClock, 'test');
  const world = {
    clock: systemClock,
    logger: silentLogger,
    store,
    ledger,
    journal: openJournal(store, systemClock),
    imports: openImports(store, systemClock),
    releases: openReleases(store, systemClock),
    environments: { list: async () => environments },
    target: async ({ name }: Environment) =>
      ({ running: () => says.get(name)?.(), [Symbol.asyncDispose]: async () => undefined }) as unknown as Target,
    scanning: {
      documents,
      inventory: openInventory(store, systemClock),
      openAdvisories: () => openDatabase(folder),
      advisoryStates: () => databaseStates(folder),
      matching: new Semaphore(1),
    },
  } as unknown as World;
  return {
    world,
    environment(name: string, running: () => Promise<readonly RunningContainer[]>) {
      environments.push({ name, kind: 'cluster', namespace: name, pullSecretOn: 'pods', createdAt: '' });
      says.set(name, running);
    },
    /** A run that scanned and pushed one image; then the server was killed, or not. */
    async pushed(name: string, packages: readonly string[], options: { open?: true; pushed?: false } = {}) {
      const text = sbom(...packages);
      const run = await world.journal.create({
        type: 'run-created',
        repository: 'shop' as RepositoryName,
        event: 'merge',
        commit,
        tree: commit,
        reviewed: true,
        plan: { images: [{ name, on: ['merge'] }], stages: [], deploys: [] } as never,
        notes: [],
        requestedBy: parsePersonId('root'),
      });
      const digest = digestOf(`${name} ${run}`);
      const scanned = { record: digest, passed: true, level: 'new', found: { failing: 0, new: 0, known: 0, waived: 0 } } as const;
      await world.journal.append(run, { type: 'image-started', image: name });
      await world.journal.append(run, {
        type: 'image-built',
        image: name,
        digest,
        layers: 1,
        compressor: 'zstd',
        sandboxed: true,
      } as never);
      await world.journal.append(run, {
        type: 'image-scanned',
        image: name,
        digest,
        sbom: await documents.put('sbom', text),
        ...scanned,
      });
      if (options.pushed !== false)
        await world.journal.append(run, { type: 'image-pushed', image: name, repository: `shop/${name}`, digest, tag: `r${run}` });
      if (!options.open) {
        await world.journal.append(run, { type: 'image-finished', image: name, outcome: 'passed' });
        await world.journal.append(run, { type: 'run-finished' });
      }
      return { run, digest };
    },
    /** A third-party image that was looked into, vouched for and copied. */
    async imported(name: string, tag: string, packages: readonly string[]) {
      const digest = digestOf(`${name}:${tag}`);
      const none = { critical: 0, high: 0, medium: 0, low: 0, unknown: 0, credentials: 0, habits: 0, gaps: 0 };
      const look: DoneLook = {
        state: 'done',
        at: new Date().toISOString(),
        record: digestOf('record'),
        sbom: await documents.put('sbom', sbom(...packages)),
        found: none,
        components: packages.length,
        image: { platforms: ['linux/amd64'], systems: [], bytes: 1, root: false },
      };
      const reference = `upstream.example/${name}:${tag}`;
      const { id } = await world.imports.request({ reference, digest, repository: `import/${name}`, reason: 'x', requestedBy: 'dana' });
      await world.imports.approve(id, 'rita', 1);
      await world.imports.setScan(id, look.record, JSON.stringify(look));
      return await world.imports.imported(id);
    },
    async release(environment: string, run: RunId, digest: Digest) {
      const { id } = await world.releases.start({
        environment,
        repository: 'shop',
        run,
        commit,
        digests: { web: digest },
        manifestDigest: digest,
        rollback: false,
      });
      await world.releases.finish(id, { status: 'ready' });
      return id;
    },
    async publish(...names: readonly string[]) {
      const source = path.join(root, 'source', 'npm');
      await mkdir(source, { recursive: true });
      for (const name of names)
        await writeFile(
          path.join(source, `GHSA-${name}.json`),
          JSON.stringify({
            id: `CVE-2026-1${name.length}`,
            modified: '2026-01-01T00:00:00Z',
            affected: [
              { package: { ecosystem: 'npm', name }, ranges: [{ type: 'SEMVER', events: [{ introduced: '0' }, { fixed: '2.0.0' }] }] },
            ],
          }),
        );
      const [result] = await updateDatabase({ folder, source: folderSource(path.dirname(source)), clock: systemClock, signal });
      assert.equal(result?.outcome, 'updated');
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

const container = (pod: string, digest?: Digest): RunningContainer => ({
  workload: 'Deployment web',
  pod,
  container: 'web',
  image: `registry.example/shop/web@${digest ?? 'latest'}`,
  ...(digest === undefined ? {} : { digest }),
});

const ask = (world: World, what: string, pods = true) => where(world, { what, pods, limit: 50 }, signal);

suite('waybill where', () => {
  test('images that run, that were released, that are only in the registry; who does not answer, and what nobody knows', async (t) => {
    await using at = await place(t);
    const first = await at.pushed('web', ['lodash@4.17.20']);
    const second = await at.pushed('web', ['lodash@4.17.21']);
    const third = await at.pushed('web', ['lodash@4.17.22']);
    await indexMissed(at.world, signal);
    at.environment('prod', async () => [
      container('web-1', first.digest),
      container('web-2', first.digest),
      container('old', digestOf('x')),
      container('none'),
    ]);
    at.environment('dead', () => Promise.reject(new WaybillError('CLUSTER_FAILED', 'no route to host')));
    await at.release('prod', first.run, first.digest);
    await at.release('dead', second.run, second.digest);
    const reply = await ask(at.world, 'npm:lodash@>=4');
    assert.deepEqual(endpoints.where.reply.parse(reply), reply);
    assert.deepEqual(
      reply.images.map(({ digest, use, pods, releases }) => ({
        digest,
        use,
        pods: pods.map(({ pod }) => pod),
        current: releases.map(({ current }) => current),
      })),
      [
        { digest: first.digest, use: 'runs', pods: ['web-1', 'web-2'], current: [true] },
        { digest: second.digest, use: 'released', pods: [], current: [true] },
        { digest: third.digest, use: 'registry', pods: [], current: [] },
      ],
    );
    assert.deepEqual(reply.images[0]?.has, [{ purl: 'pkg:npm/lodash@4.17.20', foundIn: 'image', way: ['./', 'pkg:npm/lodash@4.17.20'] }]);
    assert.deepEqual(
      reply.environments.map(({ name, answered }) => [name, answered]),
      [
        ['prod', true],
        ['dead', false],
      ],
    );
    assert.match(reply.environments[1]?.why ?? '', /no route to host/);
    assert.deepEqual(
      reply.unknown.map(({ pod }) => pod),
      ['old', 'none'],
    );
    const unasked = await ask(at.world, 'npm:lodash', false);
    assert.deepEqual(
      unasked.environments.map(({ answered, why }) => [answered, why]),
      [
        [false, 'it was not asked'],
        [false, 'it was not asked'],
      ],
    );
    await assert.rejects(ask(at.world, 'lodash@<<'), { code: 'INVALID_INPUT' });
  });

  test('third-party images, with the pods that run them; a request that nobody has copied is not one', async (t) => {
    await using at = await place(t);
    const db = await at.imported('db', '1', ['lodash@1.0.0']);
    await indexImported(at.world, db, signal);
    // A crash before it was indexed.
    const cache = await at.imported('cache', '1', ['lodash@1.5.0']);
    const { id } = await at.world.imports.request({ ...db, reference: 'upstream.example/new:1', digest: digestOf('new') });
    await at.world.imports.setLook(id, db.look);
    at.environment('prod', async () => [container('db-0', db.digest)]);
    assert.equal(await indexMissed(at.world, signal), 1);
    assert.equal(await indexMissed(at.world, signal), 0);
    const reply = await ask(at.world, 'lodash');
    assert.deepEqual(endpoints.where.reply.parse(reply), reply);
    assert.deepEqual(
      reply.images.map(({ repository, import: number, run, use, pods }) => [repository, number, run, use, pods.map(({ pod }) => pod)]),
      [
        ['import/db', db.id, undefined, 'runs', ['db-0']],
        ['import/cache', cache.id, undefined, 'registry', []],
      ],
    );
    assert.equal(reply.unknownCount, 0);
  });

  test('a third-party image becomes vulnerable, and the newest import of its name is named', async (t) => {
    await using at = await place(t);
    await at.publish('other');
    const old = await at.imported('db', '1', ['lodash@1.0.0']);
    await indexImported(at.world, old, signal);
    const newer = await at.imported('db', '2', ['lodash@2.0.0']);
    await indexImported(at.world, newer, signal);
    at.environment('prod', async () => [container('db-0', old.digest)]);
    await at.publish('lodash');
    await matchImagesAgain(at.world, signal);
    const [news] = (await newlyVulnerable(at.world, { pods: true, better: true, signal })).news;
    assert.deepEqual(
      news?.images.map(({ repository, digest, newestWithout, pods }) => [repository, digest, newestWithout, pods.map(({ pod }) => pod)]),
      [['import/db', old.digest, newer.digest, ['db-0']]],
    );
    assert.equal((await ask(at.world, 'CVE-2026-16')).images[0]?.import, old.id);
  });

  test('an import that was collected and came again is known again', async (t) => {
    await using at = await place(t);
    const first = await at.imported('db', '1', ['a@1.0.0']);
    await indexImported(at.world, first, signal);
    await at.world.scanning.inventory.forget([first], new Set());
    assert.equal((await ask(at.world, 'a')).imageCount, 0);
    assert.equal(await indexMissed(at.world, signal), 0, 'what went is not brought back');
    await indexImported(at.world, await at.imported('db', '1', ['a@1.0.0']), signal);
    assert.equal((await ask(at.world, 'a')).imageCount, 1);
  });

  test('whoever asks and leaves gets no answer that only looks whole', async (t) => {
    await using at = await place(t);
    at.environment('slow', () => new Promise(() => undefined));
    const leaving = AbortSignal.timeout(50);
    await assert.rejects(where(at.world, { what: 'a', pods: true, limit: 1 }, leaving));
  });

  test('what a crash left out is indexed at the next start; what was never pushed is not', async (t) => {
    await using at = await place(t);
    await at.pushed('web', ['a@1.0.0']);
    const open = await at.pushed('web', ['a@1.0.0'], { open: true });
    await at.pushed('web', ['a@1.0.0'], { pushed: false });
    assert.equal(await indexMissed(at.world, signal), 2);
    assert.equal((await ask(at.world, 'a')).imageCount, 2);
    // An open run may push more: it is looked at again.
    assert.equal(await at.world.scanning.inventory.progress(), open.run - 1);
    assert.equal(await indexMissed(at.world, signal), 0);
    await at.world.journal.append(open.run, { type: 'image-finished', image: 'web', outcome: 'passed' });
    await at.world.journal.append(open.run, { type: 'run-finished' });
    await indexMissed(at.world, signal);
    assert.equal(await at.world.scanning.inventory.progress(), open.run + 1);
  });

  test('a list of components that is missing keeps only its own image out, and is tried again', async (t) => {
    await using at = await place(t);
    const first = await at.pushed('web', ['a@1.0.0']);
    await at.pushed('api', ['a@1.0.1']);
    const db = at.world.store.as<{ scan_document: { digest: string; text: string } }>();
    const { sbom: named } = (await at.world.journal.state(first.run)).images[0]?.scanned ?? { sbom: '' };
    const { text } = await db.selectFrom('scan_document').select('text').where('digest', '=', named).executeTakeFirstOrThrow();
    await db
      .updateTable('scan_document')
      .set({ text: `${text} ` })
      .where('digest', '=', named)
      .execute();
    assert.equal(await indexMissed(at.world, signal), 1);
    await db.updateTable('scan_document').set({ text }).where('digest', '=', named).execute();
    assert.equal(await indexMissed(at.world, signal), 1);
    assert.equal((await ask(at.world, 'a')).imageCount, 2);
  });

  test('what becomes vulnerable is told once, with its pods and the image that is not', async (t) => {
    await using at = await place(t);
    await at.publish('other');
    const bad = await at.pushed('web', ['lodash@1.0.0']);
    await indexPushed(at.world, bad.run, signal);
    at.environment('prod', async () => [container('web-1', bad.digest)]);
    at.environment('dead', () => Promise.reject(new Error('away')));
    await at.release('prod', bad.run, bad.digest);
    await matchImagesAgain(at.world, signal);
    assert.equal(await at.world.ledger.size(), 0);

    await at.publish('lodash');
    const good = await at.pushed('web', ['lodash@2.0.0']);
    await indexPushed(at.world, good.run, signal);
    await Promise.all([matchImagesAgain(at.world, signal), matchImagesAgain(at.world, signal)]);
    await matchImagesAgain(at.world, signal);
    const entries = await at.world.ledger.entries({ limit: 10, subject: bad.digest });
    assert.equal(entries.length, 1);
    const told = JSON.stringify(entries[0]?.body);
    assert.match(told, /"act":"newly-vulnerable".*"pod":"web-1"/);
    assert.match(told, new RegExp(`"newestWithout":"${good.digest}"`));
    assert.match(told, /"environment":"dead","why":"away"/);

    const reply = await newlyVulnerable(at.world, { pods: true, better: true, signal });
    assert.deepEqual(endpoints.newlyVulnerable.reply.parse(reply), reply);
    assert.deepEqual(
      reply.news.map(({ advisory, images }) => [
        advisory,
        images.map(({ digest, environments, pods }) => [digest, environments, pods.length]),
      ]),
      [['CVE-2026-16', [[bad.digest, ['prod'], 1]]]],
    );
    const answer = await ask(at.world, 'CVE-2026-16');
    assert.deepEqual(
      answer.images.map(({ digest, use }) => [digest, use]),
      [[bad.digest, 'runs']],
    );
    assert.deepEqual(answer.components[0]?.advisory?.fixed, ['2.0.0']);
    assert.equal(answer.looked.advisories?.[0]?.ecosystem, 'npm');
  });
});
