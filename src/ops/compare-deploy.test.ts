import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { deployMigrations } from '../deploy/migrations.ts';
import { openReleases } from '../deploy/releases.ts';
import { systemClock } from '../kernel/clock.ts';
import { digestOf } from '../kernel/digest.ts';
import { parseGitOid } from '../kernel/git-oid.ts';
import type { PersonId, RepositoryName, RunId } from '../kernel/ids.ts';
import { silentLogger } from '../kernel/logger.ts';
import { openLedger } from '../ledger/ledger.ts';
import { ledgerMigrations } from '../ledger/migrations.ts';
import type { ScanLevel } from '../plan/scan-levels.ts';
import { openJournal } from '../run/journal.ts';
import { runMigrations } from '../run/migrations.ts';
import type { RunContext } from '../run/port.ts';
import { openDatabase } from '../scan/advisories/database.ts';
import { folderSource } from '../scan/advisories/folder-source.ts';
import { updateDatabase } from '../scan/advisories/update.ts';
import { reportOn } from '../scan/dependencies/scan-dependencies.ts';
import { openScanDocuments } from '../scan/documents.ts';
import { judgeScan } from '../scan/gate.ts';
import { scanMigrations } from '../scan/migrations.ts';
import { recordOf, recordText } from '../scan/record.ts';
import type { ScanReport } from '../scan/report.ts';
import { sbomOf } from '../scan/sbom/cyclonedx.ts';
import { inventoryFromSbom } from '../scan/sbom/read-sbom.ts';
import { noWaivers } from '../scan/waivers.ts';
import { openStore } from '../store/store.ts';
import { compareDeploy } from './compare-deploy.ts';
import { compareChange } from './compare-change.ts';
import { listRefusals } from './list-refusals.ts';
import { showSince } from './show-since.ts';
import type { World } from './world.ts';

const signal = AbortSignal.timeout(60_000);
const commits = { old: parseGitOid('a'.repeat(40)), new: parseGitOid('b'.repeat(40)) };
const startedAt = '2026-03-01T12:00:00Z';
type Packages = readonly string[];

const sbom = (packages: Packages) =>
  sbomOf({
    inventory: {
      components: packages.map((each) => {
        const [name = '', version = ''] = each.split('@');
        return {
          purl: `pkg:npm/${each}`,
          ecosystem: 'npm',
          name,
          version,
          scope: 'runtime',
          hashes: [],
          places: [{ path: 'package-lock.json' }],
        };
      }),
      needs: new Map(),
    },
    subject: { type: 'container', name: 'shop/web' },
    scanner: 'waybill 1',
  });

/** Real stores, a real ledger, real advisories, which a test adds to. */
async function place(t: TestContext) {
  const root = await mkdtemp(path.join(tmpdir(), 'waybill-since-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const store = openStore(path.join(root, 'waybill.db'));
  t.after(() => store[Symbol.asyncDispose]());
  await store.migrate([...ledgerMigrations, ...runMigrations, ...deployMigrations, ...scanMigrations]);
  const folder = path.join(root, 'advisories');
  const records = path.join(root, 'records');
  await mkdir(records);
  const documents = openScanDocuments(store, systemClock);
  const look = async (text: string, kind: 'image' | 'dependencies' = 'image'): Promise<ScanReport> => {
    using database = await openDatabase(folder);
    const { inventory } = inventoryFromSbom(text);
    const coverage = { files: 1, bytes: 1, components: inventory.components.length, skipped: [], skippedCount: 0 };
    return await reportOn({ kind, inventory, coverage, database, scanner: 'waybill 1', startedAt, clock: systemClock, signal });
  };
  const trees = new Map<string, string>();
  const world = {
    clock: systemClock,
    logger: silentLogger,
    store,
    ledger: await openLedger(store, systemClock, 'test'),
    journal: openJournal(store, systemClock),
    releases: openReleases(store, systemClock),
    environments: { list: async () => [{ name: 'production', kind: 'cluster', namespace: 'production' }] },
    source: { readFile: async () => undefined },
    scanning: {
      documents,
      databaseDays: 7,
      scanners: {
        rematch: (lists: readonly { readonly sbom: string }[]) => Promise.all(lists.map((list) => look(list.sbom))),
        dependencies: ({ commit }: { readonly commit: string }) => look(trees.get(commit) ?? sbom([]), 'dependencies'),
      },
    },
  } as unknown as World;
  const keep = async (report: ScanReport) => {
    const verdict = judgeScan({ report, fail: 'report', waivers: noWaivers, now: systemClock.now(), databaseDays: 7 });
    return documents.put('record', recordText(recordOf(report, verdict, { level: 'report', judgedAt: startedAt, databaseDays: 7 })));
  };
  return {
    world,
    trees,
    look,
    /** The world learns of a vulnerability of every version of a package. */
    async advisory(id: string, name: string) {
      const record = {
        id,
        modified: '2026-01-01T00:00:00Z',
        summary: 'It breaks',
        severity: [{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' }],
        affected: [{ package: { ecosystem: 'npm', name }, ranges: [{ type: 'SEMVER', events: [{ introduced: '0' }] }] }],
      };
      await writeFile(path.join(records, `${id}.json`), JSON.stringify(record));
      await updateDatabase({ folder, source: folderSource(records), ecosystems: ['npm'], clock: systemClock, signal });
    },
    /** A run that built and scanned images, of which one deploy to production is left. */
    async run(commit: keyof typeof commits, images: Readonly<Record<string, Packages>>, options: { scanned?: false } = {}) {
      const named = Object.fromEntries(Object.keys(images).map((name) => [name, name]));
      const run = await world.journal.create({
        type: 'run-created',
        repository: 'shop' as RepositoryName,
        event: 'merge',
        commit: commits[commit],
        tree: commits[commit],
        reviewed: true,
        plan: {
          event: 'merge',
          stages: [],
          images: Object.keys(images).map((name) => ({ name })),
          deploys: [{ environment: 'production', images: named }],
          scans: { secrets: 'new', dependencies: 'new', image: 'new' },
        } as never,
        notes: [],
        requestedBy: 'rita' as PersonId,
      });
      const scanned = { passed: true, level: 'report', found: { failing: 0, new: 0, known: 0, waived: 0 } } as const;
      const all = sbom([...new Set(Object.values(images).flat())]);
      await world.journal.append(run, { type: 'scan-started', scan: 'dependencies' });
      await world.journal.append(run, {
        type: 'scan-reported',
        scan: 'dependencies',
        record: await keep(await look(all, 'dependencies')),
        ...scanned,
      });
      const digests: Record<string, ReturnType<typeof digestOf>> = {};
      for (const [name, packages] of Object.entries(images)) {
        const digest = digestOf(`${run} ${name}`);
        digests[name] = digest;
        await world.journal.append(run, { type: 'image-started', image: name });
        await world.journal.append(run, { type: 'image-built', image: name, digest, layers: [], compressor: 'zstd', sandboxed: true });
        if (options.scanned === false) continue;
        const text = sbom(packages);
        const record = await keep(await look(text));
        await world.journal.append(run, {
          type: 'image-scanned',
          image: name,
          digest,
          sbom: await documents.put('sbom', text),
          record,
          ...scanned,
        });
      }
      return { run, digests, images: named };
    },
    async release({ run, digests }: { readonly run: RunId; readonly digests: Record<string, ReturnType<typeof digestOf>> }) {
      const about = {
        environment: 'production',
        repository: 'shop',
        run,
        commit: commits.old,
        digests,
        manifestDigest: digestOf('m'),
        rollback: false,
      };
      const { id } = await world.releases.start(about);
      return world.releases.finish(id, { status: 'ready' });
    },
    async context(run: RunId) {
      const lines: string[] = [];
      const { head } = await world.journal.state(run);
      const context: RunContext = {
        run,
        head,
        signal,
        emit: (event) => world.journal.append(run, event),
        state: () => world.journal.state(run),
        log: (_stream, text) => void lines.push(text),
      };
      return { context, lines };
    },
    /** What deploying it says; what runs there is asked of the releases, as the deploy does. */
    async deploy(of: { readonly run: RunId; readonly images: Readonly<Record<string, string>> }, fail?: readonly ScanLevel[]) {
      const { context, lines } = await this.context(of.run);
      const deploy = { environment: 'production', manifests: 'k8s', images: of.images, timeoutMs: 1, ...(fail ? { fail } : {}) };
      await compareDeploy(world, context, deploy, await world.releases.current('production', 'shop'));
      const [since] = await showSince(world, of.run);
      return { since, lines };
    },
  };
}

const ids = (found: readonly { readonly id: string }[] | undefined) => found?.map(({ id }) => id);

suite('what a deploy brings since the release', () => {
  test('what this change brought, what it took away and what the world learned since are three things', async (t) => {
    const at = await place(t);
    await at.advisory('CVE-1', 'gone');
    await at.advisory('CVE-2', 'fresh');
    await at.advisory('CVE-3', 'kept');
    const released = await at.run('old', { web: ['gone@1.0.0', 'kept@1.0.0', 'quiet@1.0.0'] });
    await at.release(released);
    const next = await at.run('new', { web: ['fresh@1.0.0', 'kept@2.0.0', 'quiet@1.0.0'] });
    // Published between the scan of the new image and its deploy: it is on both sides.
    await at.advisory('CVE-4', 'quiet');
    await assert.rejects(at.deploy(next, ['new-critical']), ({ code, message }: { code: string; message: string }) => {
      assert.equal(code, 'SCAN_FAILED');
      assert.match(message, /production, since its last release \(run 1\): image web: new: CVE-2 in fresh 1\.0\.0/);
      assert.doesNotMatch(message, /CVE-4|CVE-3/);
      return true;
    });
    const [refusal] = await listRefusals(at.world);
    assert.match(`${refusal?.what} ${refusal?.detail}`, /deploy to production.*CVE-2/);
    const { since, lines } = await at.deploy(next);
    assert.equal(since?.release?.run, released.run);
    const [part] = since?.parts ?? [];
    assert.deepEqual([ids(part?.fresh), ids(part?.gone), ids(part?.learned)], [['CVE-2'], ['CVE-1'], ['CVE-4']]);
    assert.deepEqual(part?.found, { fresh: 1, gone: 1, learned: 1, kept: 2, worst: 'critical' });
    assert.deepEqual([part?.now, part?.was, part?.notes], [next.digests['web'], released.digests['web'], []]);
    assert.match(lines.join('\n'), /since the last release of production, by run 1: 1 new, 1 gone, 1 of both known only since then/);
  });

  test('a level holds against the release, and not against the world', async (t) => {
    const at = await place(t);
    await at.advisory('CVE-1', 'other');
    await at.release(await at.run('old', { web: ['quiet@1.0.0'] }));
    const next = await at.run('new', { web: ['quiet@1.0.0'] });
    await at.advisory('CVE-2', 'quiet');
    assert.equal((await at.deploy(next, ['new'])).since?.passed, true);
    await assert.rejects(at.deploy(next, ['critical']), { code: 'SCAN_FAILED' });
  });

  test('a first release, and an image that was not in the last one, are new as a whole; one that is left out is named', async (t) => {
    const at = await place(t);
    await at.advisory('CVE-1', 'a');
    const first = await at.run('old', { web: ['a@1.0.0'], worker: [] });
    const told = await at.deploy(first);
    assert.deepEqual([told.since?.release, ids(told.since?.parts[0]?.fresh)], [undefined, ['CVE-1']]);
    assert.match(told.lines[0] ?? '', /nothing has been released to production yet: 1 new/);
    await at.release(first);
    const { since } = await at.deploy(await at.run('new', { api: ['a@1.0.0'], web: [] }));
    assert.deepEqual(since?.removed, ['worker']);
    assert.deepEqual(
      since?.parts.map(({ name, was, found, notes }) => [name, was !== undefined, found.fresh, found.gone, notes.length]),
      [
        ['image api', false, 1, 0, 1],
        ['image web', true, 0, 1, 0],
      ],
    );
  });

  test('what was not scanned is no reason to let it pass where a level holds, and none to stop it where nothing does', async (t) => {
    const at = await place(t);
    await at.advisory('CVE-1', 'a');
    const unscanned = await at.run('old', { web: ['a@1.0.0'] }, { scanned: false });
    const { lines, since } = await at.deploy(unscanned);
    assert.equal(since, undefined);
    assert.match(lines.join(), /cannot be told: the image web was not scanned/);
    await assert.rejects(at.deploy(unscanned, ['new-critical']), { code: 'SCAN_FAILED' });
    await assert.rejects(at.deploy({ ...unscanned, images: {} }, ['new-critical']), { code: 'SCAN_FAILED' });
    await at.release(unscanned);
    const next = await at.run('new', { web: ['a@1.0.0'] });
    await assert.rejects(at.deploy(next, ['new-critical']), { code: 'SCAN_FAILED' });
    assert.match((await at.deploy(next)).since?.parts[0]?.notes.join() ?? '', /what is released of it was not scanned/);
  });

  test('a record that somebody has changed stops a deploy that is held to a level', async (t) => {
    const at = await place(t);
    await at.advisory('CVE-1', 'a');
    await at.release(await at.run('old', { web: ['a@1.0.0'] }));
    const next = await at.run('new', { web: ['a@1.0.0'] });
    const all = at.world.store.as<{ scan_document: { text: string; kind: string } }>();
    await all.updateTable('scan_document').set({ text: '{}' }).where('kind', '=', 'sbom').execute();
    await assert.rejects(at.deploy(next, ['new-critical']), { code: 'LEDGER_BROKEN' });
    assert.match((await at.deploy(next)).lines.join(), /cannot be told/);
  });
});

test('a change is compared by its libraries with what is released, and with nothing where nothing is', async (t) => {
  const at = await place(t);
  await at.advisory('CVE-1', 'a');
  at.trees.set(commits.old, sbom(['a@1.0.0', 'quiet@1.0.0']));
  const change = await at.run('new', {});
  const { context } = await at.context(change.run);
  const now = async () => at.look(sbom(['quiet@1.0.0', 'b@1.0.0']), 'dependencies');
  await compareChange(at.world, context, { now: await now(), waivers: noWaivers, looked: new Map() });
  assert.deepEqual(await showSince(at.world, change.run), []);
  await at.release(await at.run('old', { web: ['a@1.0.0', 'quiet@1.0.0'] }));
  await at.advisory('CVE-2', 'quiet');
  await at.advisory('CVE-3', 'b');
  await compareChange(at.world, context, { now: await now(), waivers: noWaivers, looked: new Map() });
  const [since] = await showSince(at.world, change.run);
  const [part] = since?.parts ?? [];
  assert.deepEqual(
    [part?.name, ids(part?.fresh), ids(part?.gone), ids(part?.learned), part?.was],
    ['dependencies', ['CVE-3'], ['CVE-1'], ['CVE-2'], commits.old],
  );
});
