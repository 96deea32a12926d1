import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { keyRingFile } from '../evidence/keys.ts';
import { signStatement } from '../evidence/bundle.ts';
import { summaryStatement } from '../evidence/statements/summary.ts';
import { clock, names, newSigner, now, policy, source } from '../evidence/testing/shop.ts';
import { digestOf, type Digest } from '../kernel/digest.ts';
import { silentLogger } from '../kernel/logger.ts';
import { attestations } from '../ledger/attestations.ts';
import { openLedger } from '../ledger/ledger.ts';
import { ledgerMigrations } from '../ledger/migrations.ts';
import { connectRegistry } from '../oci/client.ts';
import { ociConfig, ociManifest } from '../oci/media-types.ts';
import { planFor } from '../plan/make-plan.ts';
import { parsePipeline } from '../plan/parse.ts';
import type { BasePolicy } from '../policy/base-policy.ts';
import { startTestRegistry } from '../registry/registry.fixture.ts';
import { openStore } from '../store/store.ts';
import { planBases, type BasesWorld } from './plan-bases.ts';

const day = 86_400_000;

/** A registry with one image, and a ledger with its summary. */
async function setUp(options: { paper?: 'none' | 'stranger' | 'expired'; basePolicy?: BasePolicy; sandboxed?: boolean } = {}) {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-bases-'));
  stack.defer(() => rm(folder, { recursive: true }));
  const registry = stack.use(await startTestRegistry({ open: true, mutableTags: true }));
  const store = stack.use(openStore(path.join(folder, 'store.db')));
  await store.migrate(ledgerMigrations);
  await openLedger(store, clock, 'waybill.test/ledger');
  const recorded = attestations(store, clock);
  const { key, ring } = newSigner();
  using client = connectRegistry({ registry: registry.host, plainHttp: true });
  const push = async (variant: string): Promise<Digest> => {
    const config = Buffer.from(JSON.stringify({ variant }));
    const descriptor = { mediaType: ociConfig, digest: digestOf(config), size: config.length };
    await client.putBlob('bases/node', { bytes: config }, descriptor);
    const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, config: descriptor, layers: [] }));
    return (await client.putManifest('bases/node', manifest, ociManifest, { tag: '24' })).digest;
  };
  const digest = await push('one');
  if (options.paper !== 'none') {
    const validUntil = new Date(now.getTime() + (options.paper === 'expired' ? -day : day)).toISOString();
    const { commit, tree } = source;
    const image = {
      digest,
      repository: 'bases/node',
      source: { repository: 'bases', commit, tree },
      tests: [],
      provenance: true,
      run: 2,
      validUntil,
    };
    const statement = summaryStatement({ names, policy, at: new Date(now.getTime() - 5 * day), inputs: [], levels: [], image });
    const paper = signStatement(statement, options.paper === 'stranger' ? newSigner().key : key);
    await recorded.recordAttestation(paper.bundle, paper);
  }
  const files = new Map<string, string>();
  const world = {
    source: {
      readFile: async (_repository: string, _commit: string, name: string) =>
        files.has(name) ? Buffer.from(files.get(name) ?? '') : undefined,
    },
    registry: registry.registry,
    registryName: 'registry.test',
    attestations: recorded,
    papers: { keys: async () => ({ papers: keyRingFile(ring), ledger: '' }) },
    basePolicy: options.basePolicy,
    clock,
    logger: silentLogger,
    runner: { sandboxed: options.sandboxed ?? true },
  } as unknown as BasesWorld;
  const owned = stack.move();
  return {
    digest,
    registry,
    plan(images: string, dockerfile?: string) {
      if (dockerfile !== undefined) files.set('Dockerfile', dockerfile);
      const text = `version: 1\nstages: [{ name: lint, on: [change], steps: [{ run: "true" }] }]\nimages:\n${images}`;
      const parsed = parsePipeline(text);
      assert.ok(parsed.ok, JSON.stringify(parsed));
      return planBases(world, { repository: 'shop', commit: source.commit } as never, planFor(parsed.pipeline, 'merge'), text);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const upon = (base: string) => `  - name: app\n    base: ${base}\n    layers: [{ from: a, to: /a }]\n`;

test('every base of a plan has its digest before anything runs, those of Dockerfiles too', async () => {
  await using t = await setUp();
  const dockerfile = `FROM scratch AS one\nFROM bases/node:24@${t.digest}\nCOPY --from=registry.test/bases/node:24 /a /b\nCOPY --from=one /a /c\n`;
  const { bases, refused, notes } = await t.plan(
    `${upon('registry.test/bases/node:24')}  - { name: two, dockerfile: Dockerfile }\n`,
    dockerfile,
  );
  assert.deepEqual([refused, notes], [[], []]);
  assert.deepEqual(bases, [
    { reference: 'registry.test/bases/node:24', digest: t.digest },
    { reference: `bases/node:24@${t.digest}`, digest: t.digest },
  ]);
  assert.deepEqual(await t.plan(upon('scratch')), { bases: [], refused: [], notes: [] });
});

const absent = `registry.test/bases/node@sha256:${'0'.repeat(64)}`;
for (const [what, base, words, options] of [
  ['that is not there', 'registry.test/bases/node:25', /^waybill\.yaml:5:11: error: there is no base image registry\.test\/bases\/node:25/],
  ['whose digest is not there', absent, /^waybill\.yaml:5:11: error: there is no base image/],
  [
    'in another registry',
    'docker.io/library/node:24',
    /^waybill\.yaml:5:11: error: .* is in another registry[^]*waybill image import docker\.io/,
  ],
  ['without papers', 'bases/node:24', /5:11: error: the base bases\/node:24 has no summary that holds/, { paper: 'none' }],
  ['whose papers somebody else signed', 'bases/node:24', /has no summary that holds/, { paper: 'stranger' }],
  ['whose papers have expired', 'bases/node:24', /has no summary that holds/, { paper: 'expired' }],
  ['that the policy does not name', 'bases/node:24', /is not allowed: none of the 0 kinds/, { basePolicy: { allow: [] } }],
  ['that is too old', 'bases/node:24', /built on 2026-11-17, and may be 4 days old/, { basePolicy: { allow: [{ maxAgeDays: 4 }] } }],
  [
    'without papers and sandbox, under a policy',
    'bases/node:24',
    /it has no papers/,
    { paper: 'none', sandboxed: false, basePolicy: { allow: [{}] } },
  ],
] as const)
  test(`a base ${what} is refused at its place`, async () => {
    await using t = await setUp(options);
    const { refused, bases } = await t.plan(upon(base));
    assert.equal(refused.length, 1);
    assert.match(refused[0] ?? '', words);
    assert.deepEqual(bases, []);
  });

test('a Dockerfile is told with its own line, and with that of the pipeline file when it cannot be read', async () => {
  await using t = await setUp();
  const image = '  - { name: app, dockerfile: Dockerfile }\n';
  assert.match((await t.plan(image)).refused[0] ?? '', /^waybill\.yaml:4:\d+: error: there is no file Dockerfile/);
  assert.match(
    (await t.plan(image, '# nothing\n')).refused[0] ?? '',
    /^waybill\.yaml:4:\d+: error: Dockerfile, the Dockerfile has no FROM/,
  );
  const two = await t.plan(image, 'FROM bases/node:24\n\nCOPY --from=bases/tools:1 /a /b\n');
  assert.match(two.refused.join('\n'), /^Dockerfile:3:13: error: there is no base image bases\/tools:1/);
  assert.equal(two.bases.length, 1);
});

test('without a sandbox nothing is signed, and a base without papers is none the worse', async () => {
  await using t = await setUp({ paper: 'none', sandboxed: false });
  assert.deepEqual((await t.plan(upon('bases/node:24'))).refused, []);
});

test('a registry that cannot be asked costs no run: it is noted, and the build looks again', async () => {
  await using t = await setUp();
  await t.registry[Symbol.asyncDispose]();
  const { bases, refused, notes } = await t.plan(upon('bases/other:24'));
  assert.deepEqual([bases, refused], [[], []]);
  assert.match(notes[0] ?? '', /bases\/other:24 could not be looked up .*the build looks again/);
});
