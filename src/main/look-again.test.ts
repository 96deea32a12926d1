import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Config } from '../config/config.ts';
import { signStatement } from '../evidence/bundle.ts';
import { generatePapersKey, loadPapersKey, ringKey, type KeyRing } from '../evidence/keys.ts';
import { makeAttestor, type Attestor } from '../evidence/signer/attest.ts';
import { signedSnapshotSchema, stateFile } from '../evidence/signer/state-file.ts';
import { verifySnapshot } from '../evidence/snapshot-envelope.ts';
import type { BuiltEntry, Snapshot } from '../evidence/snapshot.ts';
import { summaryStatement } from '../evidence/statements/summary.ts';
import { vulnerabilitiesType } from '../evidence/statements/vulnerabilities.ts';
import { names, policy } from '../evidence/testing/shop.ts';
import { digestOf, type Digest } from '../kernel/digest.ts';
import { WaybillError } from '../kernel/error.ts';
import type { GitOid } from '../kernel/git-oid.ts';
import type { PersonId, RepositoryName } from '../kernel/ids.ts';
import { silentLogger } from '../kernel/logger.ts';
import { attestations } from '../ledger/attestations.ts';
import { openLedger } from '../ledger/ledger.ts';
import { ledgerMigrations } from '../ledger/migrations.ts';
import { connectRegistry } from '../oci/client.ts';
import { lookAnnotation } from '../oci/look-annotation.ts';
import { ociConfig, ociManifest } from '../oci/media-types.ts';
import { lookAgain } from '../ops/look-again.ts';
import { signerFacts } from '../ops/signer-facts.ts';
import type { World } from '../ops/world.ts';
import { parsePolicySet } from '../policy/evidence-policy.ts';
import { startTestRegistry } from '../registry/registry.fixture.ts';
import { openJournal } from '../run/journal.ts';
import { runMigrations } from '../run/migrations.ts';
import { folderSource } from '../scan/advisories/folder-source.ts';
import { updateDatabase } from '../scan/advisories/update.ts';
import { openScanDocuments } from '../scan/documents.ts';
import { judgeScan } from '../scan/gate.ts';
import { openInventory } from '../scan/inventory/inventory.ts';
import { inventoryMigrations } from '../scan/inventory/migrations.ts';
import { openDatabase } from '../scan/advisories/database.ts';
import type { Finding } from '../scan/finding.ts';
import { parseRecord, recordOf, recordText, type ScanRecord } from '../scan/record.ts';
import { scanMigrations } from '../scan/migrations.ts';
import { sbomOf } from '../scan/sbom/cyclonedx.ts';
import { noWaivers, waiversPath } from '../scan/waivers.ts';
import { openStore } from '../store/store.ts';
import { openScanners } from './scanners.ts';

const commit = 'a'.repeat(40) as GitOid;
const tree = 'b'.repeat(40) as GitOid;
const day = 86_400_000;
const signal = AbortSignal.timeout(120_000);
const repository = 'shop/web';
const vectors = { LOW: 'CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N', CRITICAL: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' };
const scanned = { passed: true, level: 'report', found: { failing: 0, new: 0, known: 0, waived: 0 } } as const;

/**
 * An image with papers in a real registry, journal, ledger and inventory, with the real signer's judgement and real scanners; the clock is the test's. `fail` is thrown
 * where a crash would end the server: behind the step of that name.
 */
async function place(
  t: TestContext,
  {
    files = {},
    findings = [],
    runs = false,
  }: { files?: Readonly<Record<string, string>>; findings?: readonly Finding[]; runs?: boolean } = {},
) {
  const root = await mkdtemp(path.join(tmpdir(), 'waybill-look-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const stack = new AsyncDisposableStack();
  const time = { now: Date.now() - 10 * day };
  const clock = { now: () => new Date(time.now) };
  const store = stack.use(openStore(path.join(root, 'waybill.db')));
  await store.migrate([...ledgerMigrations, ...runMigrations, ...scanMigrations, ...inventoryMigrations]);
  const registry = stack.use(await startTestRegistry());
  const ledger = await openLedger(store, clock, 'test');
  const papers = attestations(store, clock);
  const journal = openJournal(store, clock);
  const documents = openScanDocuments(store, clock);
  const inventory = openInventory(store, clock);
  const advisories = path.join(root, 'advisories');
  const publish = async (...found: readonly (readonly [id: string, severity: keyof typeof vectors])[]) => {
    const source = path.join(root, 'osv', 'npm');
    await rm(source, { recursive: true, force: true });
    await mkdir(source, { recursive: true });
    for (const [id, severity] of [['CVE-2026-0', 'LOW'] as const, ...found])
      await writeFile(
        path.join(source, `${id}.json`),
        JSON.stringify({
          id,
          modified: '2026-01-01T00:00:00Z',
          severity: [{ type: 'CVSS_V3', score: vectors[severity] }],
          affected: [
            {
              package: { ecosystem: 'npm', name: id === 'CVE-2026-0' ? 'nothing' : 'left' },
              ranges: [{ type: 'SEMVER', events: [{ introduced: '0' }] }],
            },
          ],
        }),
      );
    await updateDatabase({ folder: advisories, source: folderSource(path.dirname(source), { asOf: clock.now() }), clock, signal });
  };
  await publish();

  using push = await registry.registry.mintPush({ repository, run: 1, ttlMs: 600_000 });
  using client = connectRegistry({ registry: registry.host, plainHttp: true, auth: { bearer: push.token } });
  const config = Buffer.from('{}');
  await client.putBlob(repository, { bytes: config }, { digest: digestOf(config), size: config.length });
  const manifest = {
    schemaVersion: 2,
    mediaType: ociManifest,
    config: { mediaType: ociConfig, digest: digestOf(config), size: config.length },
    layers: [],
  };
  const { digest } = await client.putManifest(repository, Buffer.from(JSON.stringify(manifest)), ociManifest, { tag: 'r1' });

  const sbom = sbomOf({
    inventory: {
      components: [
        {
          purl: 'pkg:npm/left@1.0.0',
          ecosystem: 'npm',
          name: 'left',
          version: '1.0.0',
          scope: 'runtime',
          hashes: [],
          places: [{ path: 'x' }],
        },
      ],
      needs: new Map(),
    },
    subject: { type: 'container', name: repository },
    scanner: 'waybill 1',
  });
  const at = clock.now().toISOString();
  const report = {
    version: 1,
    kind: 'image',
    scanner: 'waybill 1',
    startedAt: at,
    finishedAt: at,
    coverage: { files: 3, bytes: 30, components: 1, skipped: [], skippedCount: 0 },
    findings,
  } as const;
  const verdict = judgeScan({ report, fail: 'report', waivers: noWaivers, now: clock.now(), databaseDays: 7 });
  const record = await documents.put('record', recordText(recordOf(report, verdict, { level: 'report', judgedAt: at, databaseDays: 7 })));
  const run = await journal.create({
    type: 'run-created',
    repository: 'shop' as RepositoryName,
    event: 'merge',
    commit,
    tree,
    reviewed: true,
    plan: { images: [{ name: 'web' }], stages: [], deploys: [], scans: { image: 'report' } } as never,
    notes: [],
    requestedBy: 'dana' as PersonId,
  });
  await journal.append(run, { type: 'image-started', image: 'web' });
  await journal.append(run, { type: 'image-built', image: 'web', digest, layers: [], compressor: 'zstd', sandboxed: true });
  await journal.append(run, { type: 'image-scanned', image: 'web', digest, sbom: await documents.put('sbom', sbom), record, ...scanned });
  await journal.append(run, { type: 'image-pushed', image: 'web', repository, digest, tag: 'r1' });
  await journal.append(run, { type: 'image-finished', image: 'web', outcome: 'passed' });
  await journal.append(run, { type: 'run-finished' });
  await inventory.add({ repository, digest, run, sbom: digestOf(sbom) }, sbom);

  const pair = generatePapersKey();
  const key = loadPapersKey(pair.privateKey);
  const ring: KeyRing = { keys: [ringKey(pair.publicKey, { validFrom: new Date('2026-01-01T00:00:00Z') })] };
  const entry: BuiltEntry = {
    digest,
    repository,
    source: { repository: 'shop', commit, tree },
    tests: [],
    provenance: true,
    scans: { sbom: true, vulnerabilities: { at, databaseAt: at } },
    run,
    validUntil: new Date(time.now + 90 * day).toISOString(),
  };
  const summary = signStatement(summaryStatement({ names, policy, at: clock.now(), inputs: [], levels: [], image: entry }), key);
  await papers.recordAttestation(summary.bundle, summary);
  const never = () => Promise.reject(new Error('nobody asks for it'));
  const attest: Attestor = makeAttestor({
    papersKey: key,
    ring,
    checkpoints: { verifierKey: '', lastSize: async () => 0, sign: never },
    snapshotState: stateFile(path.join(root, 'snapshot.json'), signedSnapshotSchema),
    clock,
    names,
    policy,
    facts: signerFacts({
      journal,
      documents,
      ledger,
      attestations: papers,
      reviewedCommit: never,
      protectedRef: async () => 'refs/heads/main',
      builderId: names.builderId,
      imports: { get: never },
      upstreamTrust: { list: never },
      requiredApprovals: 1,
      reviewers: never,
    }),
  });
  const seal = async () => {
    const { envelope } = await attest<'snapshot'>({ kind: 'snapshot' });
    current = { snapshot: verifySnapshot(envelope, ring, clock.now()), envelope };
  };
  let current: { snapshot: Snapshot; envelope: string } | undefined;
  let fail: string | undefined;
  const crashed = <T>(step: string, done: T): T => {
    if (fail === step) throw new WaybillError('INTERNAL', `killed behind ${step}`);
    return done;
  };
  const source = {
    readFile: async (_: string, __: string, file: string) => (files[file] === undefined ? undefined : Buffer.from(files[file])),
    listFiles: async (_: string, __: string, folder: string) => Object.keys(files).filter((file) => file.startsWith(folder)),
  };
  const world = {
    clock,
    logger: silentLogger,
    store,
    ledger,
    source,
    journal: {
      ...journal,
      append: async (...of: Parameters<typeof journal.append>) => {
        crashed(`what comes before ${of[1].type}`, undefined);
        return crashed(of[1].type, await journal.append(...of));
      },
    },
    attestations: {
      ...papers,
      recordAttestation: async (...of: Parameters<typeof papers.recordAttestation>) =>
        crashed('the ledger', await papers.recordAttestation(...of)),
    },
    papers: {
      imageRescan: async (of: number, image: string) =>
        crashed('the signature', (await attest<'image-rescan'>({ kind: 'image-rescan', run: of, image })).papers),
      seal,
      snapshot: async () => current,
    },
    registry: registry.registry,
    registryAddress: registry.host,
    environments: {
      list: async () =>
        runs ? [{ name: 'production', kind: 'cluster', namespace: 'production', pullSecretOn: 'pods', createdAt: '' }] : [],
    },
    releases: { list: async () => [] },
    target: async () => ({
      running: async () => [{ workload: 'Deployment web', pod: 'web-1', container: 'web', image: 'r.example/shop/web', digest }],
      [Symbol.asyncDispose]: async () => undefined,
    }),
    policies: async () =>
      parsePolicySet(
        {
          default: {
            registry: ['r.example'],
            mode: 'enforce',
            require: { review: {}, tests: [], provenance: true, scans: { vulnerabilities: { below: 'high', days: 2 } } },
          },
        },
        { ownNamespace: 'waybill' },
      ),
    scanning: {
      documents,
      inventory,
      databaseDays: 7,
      scanners: openScanners({
        config: { folders: { advisories, repositories: root } } as Config,
        source: source as never,
        clock,
        version: '1',
        searchPath: '',
      }),
    },
  } as unknown as World;
  await seal();
  return {
    world,
    time,
    run,
    publish,
    digest,
    attest,
    fail: (step: string | undefined) => (fail = step),
    /** As the server does, at every update of the advisories and every hour. */
    async pass(recover = false) {
      time.now += 1_000;
      {
        using database = await openDatabase(advisories);
        await inventory.matchAgain(database, signal);
      }
      time.now += 1_000;
      return lookAgain(world, { failed: new Set(), recover }, signal);
    },
    async look() {
      await seal();
      const [image] = current?.snapshot.images ?? [];
      return image?.imported ? undefined : image?.scans?.vulnerabilities;
    },
    async beside(): Promise<readonly string[]> {
      using read = await registry.registry.mintRead({ repository, run: 1, ttlMs: 60_000 });
      using reader = connectRegistry({ registry: registry.host, plainHttp: true, auth: { bearer: read.token } });
      return (await reader.listReferrers(repository, digest as Digest)).map((each) => each.annotations?.[lookAnnotation] ?? '?');
    },
    signed: async () => (await papers.findAttestations({ subject: digest, predicateType: vulnerabilitiesType })).length,
    told: async () =>
      (await ledger.entries({ from: 0, limit: 1_000 }))
        .map(({ body }) => body as Readonly<Record<string, unknown>>)
        .filter((body) => body['act'] === 'running-image-refused'),
    events: async () => (await journal.events(run)).map(({ event }) => event.type).slice(7),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

test('a young look is left alone; one that is half as old as policies allow is followed by another, without a new run', async (t) => {
  await using p = await place(t);
  const first = await p.look();
  assert.equal((await p.pass()).looked, 0);
  p.time.now += day - 10_000;
  assert.equal((await p.pass()).looked, 0);
  p.time.now += 10_000;
  await p.publish();
  assert.equal((await p.pass()).looked, 1);
  const second = await p.look();
  assert.ok(second && first && second.at > first.at);
  assert.equal(second.worst, undefined);
  assert.equal((await p.beside()).length, 1);
  assert.equal((await p.pass()).looked, 0);
  assert.deepEqual(await p.events(), ['image-rescanned', 'paper-signed']);
});

test('news about a component is looked at once, good or bad, and the newest look counts', async (t) => {
  await using p = await place(t);
  await p.pass();
  for (const [found, worst] of [
    [[['CVE-2026-1', 'CRITICAL']], 'critical'],
    [[['CVE-2026-1', 'LOW']], 'low'],
    [[], undefined],
  ] as const) {
    p.time.now += 60_000;
    await p.publish(...found);
    assert.equal((await p.pass()).looked, 1);
    assert.equal((await p.look())?.worst, worst);
    assert.equal((await p.pass()).looked, 0);
  }
  assert.equal(await p.signed(), 3);
  const { rescanned } = (await p.world.journal.state(p.run)).images[0] ?? {};
  assert.deepEqual([rescanned?.signed, rescanned?.passed], [true, true]);
  await p.world.scanning.documents.get('record', rescanned?.record ?? digestOf(''));
});

test('waivers and VEX of the run’s commit count, until they are over', async (t) => {
  const end = new Date(Date.now() - 8 * day).toISOString().slice(0, 10);
  const waiver = `version: 1\nvulnerabilities:\n  - { id: CVE-2026-1, reason: never called, owner: anna, expires: ${end} }\n`;
  const vex = JSON.stringify({
    '@context': 'https://openvex.dev/ns/v0.2.0',
    '@id': 'https://example.com/1',
    author: 'anna',
    timestamp: '2026-01-01T00:00:00Z',
    version: 1,
    statements: [
      {
        vulnerability: { name: 'CVE-2026-2' },
        products: [{ '@id': 'pkg:npm/left' }],
        status: 'not_affected',
        justification: 'vulnerable_code_not_in_execute_path',
      },
    ],
  });
  await using p = await place(t, { files: { [waiversPath]: waiver, '.waybill/vex/one.json': vex } });
  await p.pass();
  p.time.now += 60_000;
  await p.publish(['CVE-2026-1', 'CRITICAL'], ['CVE-2026-2', 'CRITICAL']);
  await p.pass();
  assert.equal((await p.look())?.worst, undefined);
  p.time.now += 4 * day;
  await p.publish(['CVE-2026-1', 'CRITICAL'], ['CVE-2026-2', 'CRITICAL']);
  await p.pass();
  const look = await p.look();
  assert.equal(look?.worst, 'critical');
  assert.deepEqual(
    [look?.since?.critical, look?.since?.low],
    [look?.at, look?.at],
    'signed with it, since it was better when it was built',
  );
  p.time.now += day;
  await p.publish(['CVE-2026-1', 'CRITICAL'], ['CVE-2026-2', 'CRITICAL'], ['CVE-2026-3', 'CRITICAL']);
  await p.pass();
  assert.equal((await p.look())?.since?.critical, look?.at, 'a later look takes it over');
});

test('what runs and would be refused by the new look is told once, with its pods', async (t) => {
  await using p = await place(t, { runs: true });
  await p.pass();
  for (const [found, told] of [
    [[['CVE-2026-1', 'LOW']], 0],
    [[['CVE-2026-1', 'CRITICAL']], 1],
    [
      [
        ['CVE-2026-1', 'CRITICAL'],
        ['CVE-2026-2', 'CRITICAL'],
      ],
      1,
    ],
  ] as const) {
    p.time.now += 60_000;
    await p.publish(...found);
    assert.equal((await p.pass()).looked, 1);
    assert.equal((await p.told()).length, told);
  }
  const [{ environment, pods, reasons, mode } = {} as Readonly<Record<string, unknown>>] = await p.told();
  assert.deepEqual([environment, mode, pods], ['production', 'enforce', [{ pod: 'web-1', workload: 'Deployment web' }]]);
  assert.match(JSON.stringify(reasons), /open vulnerability that is critical/);
});

const setuid: Finding = {
  kind: 'image',
  key: 'image:setuid:usr/bin/ping',
  rule: 'setuid',
  severity: 'medium',
  title: 'set-uid',
  fix: 'Take it out.',
  places: [{ path: 'usr/bin/ping' }],
};
const coverage = (record: ScanRecord, more: object): ScanRecord => ({
  ...record,
  report: { ...record.report, coverage: { ...record.report.coverage, ...more } },
});
for (const [name, change, why] of [
  ['as it was', (record: ScanRecord) => record, undefined],
  ['without a component', (record: ScanRecord) => coverage(record, { components: 0 }), /was at 0 of its 1 components/],
  ['without what the layers showed', (record: ScanRecord) => ({ ...record, findings: [], findingCount: 0 }), /leaves out image:setuid/],
  ['of another image', (record: ScanRecord) => ({ ...record, comparedWith: digestOf('other') }), /no later look at/],
  ['of another kind', (record: ScanRecord) => ({ ...record, report: { ...record.report, kind: 'dependencies' } }), /no later look at/],
  [
    'in old advisories',
    (record: ScanRecord) =>
      coverage(record, { databases: record.report.coverage.databases?.map((each) => ({ ...each, updatedAt: '2026-01-01T00:00:00Z' })) }),
    /had advisories of 2026-01-01/,
  ],
] as const satisfies readonly (readonly [string, (record: ScanRecord) => ScanRecord, RegExp | undefined])[])
  test(`the signer reads the record by itself: ${name}`, async (t) => {
    await using p = await place(t, { findings: [setuid] });
    p.time.now += 2 * day;
    await p.publish();
    await p.pass();
    assert.equal((await p.look())?.worst, 'medium');
    const { documents } = p.world.scanning;
    const { rescanned } = (await p.world.journal.state(p.run)).images[0] ?? {};
    const record = parseRecord(await documents.get('record', rescanned?.record ?? digestOf('')));
    const lie = await documents.put('record', recordText(change(record)));
    await p.world.journal.append(p.run, { type: 'image-rescanned', image: 'web', digest: p.digest, record: lie, ...scanned });
    const asked = p.attest<'image-rescan'>({ kind: 'image-rescan', run: p.run, image: 'web' });
    if (why) await assert.rejects(asked, why);
    else assert.equal((await asked).papers.length, 1);
  });

test('a good look from before is not signed anew behind a bad one', async (t) => {
  await using p = await place(t);
  p.time.now += 2 * day;
  await p.publish();
  await p.pass();
  const good = (await p.world.journal.state(p.run)).images[0]?.rescanned?.record ?? digestOf('');
  const text = await p.world.scanning.documents.get('record', good);
  p.time.now += 60_000;
  await p.publish(['CVE-2026-1', 'CRITICAL']);
  await p.pass();
  const record = await p.world.scanning.documents.put('record', text);
  await p.world.journal.append(p.run, { type: 'image-rescanned', image: 'web', digest: p.digest, record, ...scanned });
  const again = p.attest<'image-rescan'>({ kind: 'image-rescan', run: p.run, image: 'web' });
  await assert.rejects(again, /the clock went backwards/);
  assert.equal((await p.look())?.worst, 'critical');
});

test('in advisories that are too old nobody looks: the paper ages', async (t) => {
  await using p = await place(t);
  p.time.now += 8 * day;
  const { looked, failed } = await p.pass();
  assert.deepEqual([looked, failed.size], [0, 1]);
  assert.deepEqual(await p.events(), []);
  assert.equal(await p.signed(), 0);
});

test('while the clock stands behind the last look nothing is written; when it is right again it goes on', async (t) => {
  await using p = await place(t);
  p.time.now += 2 * day;
  await p.publish();
  await p.pass();
  const look = await p.look();
  p.time.now -= day;
  await assert.rejects(p.pass(), { code: 'CONFLICT', message: /clock/ });
  assert.equal((await p.events()).length, 2);
  p.time.now += 3 * day;
  await p.publish();
  assert.equal((await p.pass()).looked, 1);
  assert.ok(((await p.look())?.at ?? '') > (look?.at ?? '?'));
});

for (const step of ['image-rescanned', 'the signature', 'the ledger', 'what comes before paper-signed', 'paper-signed'])
  test(`killed behind ${step}, the look is finished by the next start: one look, one paper in the ledger, one beside the image`, async (t) => {
    await using p = await place(t);
    p.time.now += 2 * day;
    await p.publish();
    p.fail(step);
    assert.equal((await p.pass()).failed.size, 1);
    p.fail(undefined);
    // At its start the server seals, whatever was cut off.
    await p.world.papers.seal();
    await p.pass(true);
    assert.deepEqual(await p.events(), ['image-rescanned', 'paper-signed']);
    assert.equal(await p.signed(), 1);
    assert.equal((await p.beside()).length, 1);
    assert.notEqual((await p.look())?.at, undefined);
    assert.equal((await p.pass(true)).looked, 0);
  });

test('while the signer does not answer nobody looks further; what was looked at is signed when it is back', async (t) => {
  await using p = await place(t);
  p.time.now += 2 * day;
  await p.publish();
  const imageRescan = () => Promise.reject(new WaybillError('SIGNER_UNREACHABLE', 'nobody listens'));
  const alone = { ...p.world, papers: { ...p.world.papers, imageRescan } } as World;
  await assert.rejects(lookAgain(alone, { failed: new Set(), recover: false }, signal), { code: 'SIGNER_UNREACHABLE' });
  p.time.now += day / 48;
  assert.equal((await p.pass()).looked, 1);
  assert.deepEqual(await p.events(), ['image-rescanned', 'paper-signed']);
});

test('an image that the registry has no longer is not looked at', async (t) => {
  await using p = await place(t);
  p.time.now += 2 * day;
  await p.publish();
  const world = { ...p.world, registry: { ...p.world.registry, find: async () => undefined } } as World;
  const { looked, failed } = await lookAgain(world, { failed: new Set(), recover: false }, signal);
  assert.deepEqual([looked, failed.size, (await p.events()).length], [0, 0, 0]);
});
