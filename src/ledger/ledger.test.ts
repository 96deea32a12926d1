import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { isWaybillError } from '../kernel/error.ts';
import type { JsonValue } from '../kernel/json.ts';
import { Secret } from '../kernel/secret.ts';
import { openStore, type Store } from '../store/store.ts';
import { attestations } from './attestations.ts';
import { checkpointSigner, type SignedHead } from './checkpoint-signer.ts';
import { openLedger } from './ledger.ts';
import { leafHash, verifyConsistency, verifyInclusion, type Hash } from './merkle.ts';
import { ledgerMigrations } from './migrations.ts';
import { checkpointText, noteSigner, parseVerifierKey } from './note.ts';
import type { LedgerTables } from './tables.ts';

const origin = 'waybill.test/ledger';
const clock = { now: () => new Date('2026-11-22T12:00:00Z') };
const newKey = () => new Secret(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());

async function newStore(file = ':memory:'): Promise<Store> {
  const store = openStore(file);
  await store.migrate(ledgerMigrations);
  return store;
}

test('entries are found by kind, subject and index, in the order in which they came', async () => {
  await using store = await newStore();
  const ledger = await openLedger(store, clock, origin);
  const first = await ledger.append({ kind: 'merge', subject: ['gitCommit:abc', 'shop', 'shop'], body: { change: 3, by: 'ana' } });
  await ledger.append({ kind: 'approval', subject: ['shop'], body: [1, 'two', null] });
  await ledger.append({ kind: 'merge', body: {} });
  assert.equal(first.index, 0);
  const leaf =
    '{"at":"2026-11-22T12:00:00.000Z","body":{"by":"ana","change":3},"index":0,"kind":"merge","subject":["gitCommit:abc","shop"]}';
  assert.equal(first.leafHash, leafHash(leaf));
  const indexes = async (query: Parameters<typeof ledger.entries>[0]) => (await ledger.entries(query)).map((entry) => entry.index);
  assert.deepEqual(await indexes({ limit: 10 }), [0, 1, 2]);
  assert.deepEqual(await indexes({ limit: 1, from: 1 }), [1]);
  assert.deepEqual(await indexes({ limit: 10, kind: 'merge' }), [0, 2]);
  assert.deepEqual(await indexes({ limit: 10, subject: 'shop' }), [0, 1]);
  assert.deepEqual(await indexes({ limit: 10, subject: 'shop', kind: 'approval' }), [1]);
  assert.deepEqual(await indexes({ limit: 10, subject: 'sho' }), []);
  await assert.rejects(ledger.entries({ limit: 0 }), (e) => isWaybillError(e, 'INVALID_INPUT'));
});

const secret = new Secret('hunter2');
const bad: [string, unknown][] = [
  ['a secret', secret],
  ['a secret inside', { a: [{ token: secret }] }],
  ['a date', { at: new Date() }],
  ['a map', new Map()],
  ['a function', { f: () => 1 }],
  ['NaN', { n: Number.NaN }],
  ['a big integer', { n: 1n }],
  ['undefined', undefined],
  ['deep nesting', Array.from({ length: 100 }).reduce((inner: unknown) => [inner], 1)],
  ['too much', 'x'.repeat(2 * 1024 * 1024)],
];
for (const [what, body] of bad)
  test(`a body with ${what} is refused and leaves no trace`, async () => {
    await using store = await newStore();
    const ledger = await openLedger(store, clock, origin);
    await assert.rejects(ledger.append({ kind: 'admin', body: body as JsonValue }), (e) => {
      assert.ok(isWaybillError(e, 'INVALID_INPUT', 'LIMIT_EXCEEDED'));
      assert.ok(!e.message.includes('hunter2'));
      return true;
    });
    assert.equal(await ledger.size(), 0);
  });

test('every proof that the ledger gives verifies', async () => {
  await using store = await newStore();
  const ledger = await openLedger(store, clock, origin);
  for (let i = 0; i < 70; i += 1) await ledger.append({ kind: 'verdict', body: i });
  for (const size of [1, 2, 3, 33, 64, 70])
    for (const index of [0, 1, 31, 32, 63, 69]) {
      if (index < size) assert.ok(verifyInclusion(await ledger.inclusionProof(index, size)));
      if (index <= size)
        assert.ok(
          verifyConsistency({
            older: { size: index, root: await ledger.rootAt(index) },
            newer: { size, root: await ledger.rootAt(size) },
            hashes: await ledger.consistencyProof(index, size),
          }),
        );
    }
  for (const wrong of [71, -1, 1.5]) await assert.rejects(ledger.rootAt(wrong), (e) => isWaybillError(e, 'INVALID_INPUT'));
  await assert.rejects(ledger.inclusionProof(70, 70), (e) => isWaybillError(e, 'INVALID_INPUT'));
  await assert.rejects(ledger.consistencyProof(5, 4), (e) => isWaybillError(e, 'INVALID_INPUT'));
});

test('appends from many callers get one index each', async () => {
  await using store = await newStore();
  const ledger = await openLedger(store, clock, origin);
  const done = await Promise.all(Array.from({ length: 100 }, (_, i) => ledger.append({ kind: 'login', body: i })));
  assert.deepEqual(
    done.map((d) => d.index).sort((a, b) => a - b),
    Array.from({ length: 100 }, (_, i) => i),
  );
});

test('an append within a transaction that fails is undone with it', async () => {
  await using store = await newStore();
  const ledger = await openLedger(store, clock, origin);
  await ledger.append({ kind: 'admin', body: 1 });
  const root = await ledger.rootAt(1);
  await assert.rejects(
    store
      .as<never>()
      .transaction()
      .execute(async (trx) => {
        await ledger.append({ kind: 'admin', body: 2 }, trx);
        throw new Error('undone');
      }),
    /undone/,
  );
  assert.equal(await ledger.size(), 1);
  assert.equal(await ledger.rootAt(1), root);
  assert.equal((await ledger.append({ kind: 'admin', body: 3 })).index, 1);
});

test('two processes append to one file; one is killed in the middle; the tree stays whole', async () => {
  await using folder = {
    path: await mkdtemp(join(tmpdir(), 'ledger-')),
    [Symbol.asyncDispose]: () => rm(folder.path, { recursive: true }),
  };
  const file = join(folder.path, 'db');
  await using store = await newStore(file);
  const ledger = await openLedger(store, clock, origin);
  const program = `
    const { openStore } = await import(${JSON.stringify(import.meta.resolve('../store/store.ts'))});
    const { openLedger } = await import(${JSON.stringify(import.meta.resolve('./ledger.ts'))});
    await using store = openStore(${JSON.stringify(file)});
    const ledger = await openLedger(store, { now: () => new Date() }, ${JSON.stringify(origin)});
    for (let i = 0; i < Number(process.argv[1]); i += 1) { await ledger.append({ kind: 'login', body: i }); if (i === 20) console.log('going'); }`;
  const start = (count: number) =>
    spawn(process.execPath, ['--input-type=module', '-e', program, String(count)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = (child: ReturnType<typeof start>) => new Promise((resolve) => child.once('exit', resolve));
  const [finishing, endless] = [start(60), start(1_000_000)];
  const [finished, killed] = [ended(finishing), ended(endless)];
  endless.stdout.once('data', () => endless.kill('SIGKILL'));
  for (let i = 0; i < 60; i += 1) await ledger.append({ kind: 'admin', body: i });
  assert.equal(await finished, 0);
  await killed;
  const size = await ledger.size();
  assert.ok(size >= 140, String(size));
  const rows = await store.as<LedgerTables>().selectFrom('ledger_entry').select('idx').orderBy('idx').execute();
  assert.deepEqual(
    rows.map((row) => row.idx),
    Array.from({ length: size }, (_, i) => i),
  );
  assert.ok(verifyInclusion(await ledger.inclusionProof(size - 1, size)));
});

test('a ledger keeps its origin', async () => {
  await using store = await newStore();
  await openLedger(store, clock, origin);
  await assert.rejects(openLedger(store, clock, 'other'), (e) => isWaybillError(e, 'CONFLICT'));
  await assert.rejects(openLedger(store, clock, 'a b'), (e) => isWaybillError(e, 'INVALID_INPUT'));
});

function memory(): { load(): Promise<SignedHead | undefined>; save(head: SignedHead): Promise<void> } {
  let head: SignedHead | undefined;
  return { load: async () => head, save: async (next) => void (head = next) };
}

test('checkpoints: signed, kept, and refused when they are of another tree or key', async () => {
  await using store = await newStore();
  const ledger = await openLedger(store, clock, origin);
  const signer = noteSigner(origin, newKey());
  const verifiers = [parseVerifierKey(signer.verifierKey)];
  assert.equal(await ledger.latestCheckpoint(), undefined);
  await ledger.append({ kind: 'admin', body: 1 });
  const kept = await ledger.checkpoint(async (head) => signer.sign(checkpointText(head)), verifiers);
  assert.equal(kept.size, 1);
  assert.deepEqual(await ledger.latestCheckpoint(), kept);
  const refusals: [string, (head: { origin: string; size: number; root: Hash }) => string][] = [
    ['another root', (head) => signer.sign(checkpointText({ ...head, root: leafHash('x') }))],
    ['another origin', (head) => signer.sign(checkpointText({ ...head, origin: 'other' }))],
    ['another key', (head) => noteSigner(origin, newKey()).sign(checkpointText(head))],
    ['a size that is not reached', (head) => signer.sign(checkpointText({ ...head, size: 5 }))],
    ['no note', () => 'x'],
  ];
  for (const [what, sign] of refusals)
    await assert.rejects(
      ledger.checkpoint(async (head) => sign(head), verifiers),
      (e) => isWaybillError(e),
      what,
    );
  assert.deepEqual(await ledger.latestCheckpoint(), kept);
});

test('the checkpoint signer refuses a rollback and a rewritten history, also after both grew again', async () => {
  const signer = checkpointSigner({ origin, signer: noteSigner(origin, newKey()), memory: memory() });
  const headOf = async (store: Store) => {
    const ledger = await openLedger(store, clock, origin);
    const size = await ledger.size();
    return {
      size,
      root: await ledger.rootAt(size),
      consistency: await ledger.consistencyProof(Math.min(await signer.lastSize(), size), size),
    };
  };
  const grow = async (store: Store, bodies: readonly string[]) => {
    const ledger = await openLedger(store, clock, origin);
    for (const body of bodies) await ledger.append({ kind: 'admin', body });
  };
  await using honest = await newStore();
  await grow(honest, ['a', 'b', 'c']);
  await signer.sign(await headOf(honest));
  await grow(honest, ['d', 'e']);
  await signer.sign(await headOf(honest));
  await signer.sign(await headOf(honest));
  assert.equal(await signer.lastSize(), 5);
  await using rolledBack = await newStore();
  await grow(rolledBack, ['a', 'b', 'c']);
  await assert.rejects(
    async () => signer.sign(await headOf(rolledBack)),
    (e) => isWaybillError(e, 'VERDICT_REFUSED'),
  );
  await grow(rolledBack, ['x', 'y', 'z']);
  await assert.rejects(
    async () => signer.sign(await headOf(rolledBack)),
    (e) => isWaybillError(e, 'VERDICT_REFUSED'),
  );
  await assert.rejects(signer.sign({ size: 9, root: 'zz' as Hash, consistency: [] }), (e) => isWaybillError(e, 'VERDICT_REFUSED'));
  await grow(honest, ['f']);
  await signer.sign(await headOf(honest));
});

test('papers are recorded once, found by subject and type, and a changed one is reported', async () => {
  await using store = await newStore();
  const ledger = await openLedger(store, clock, origin);
  const papers = attestations(store, clock);
  const about = { predicateType: 'https://example.com/t', subjects: ['sha256:aa', 'gitTree:bb', 'sha256:aa'] };
  const kept = await papers.recordAttestation('{"a":1}', about);
  assert.deepEqual(await papers.recordAttestation('{"a":1}', about), kept);
  await papers.recordAttestation('{"a":2}', { ...about, predicateType: 'https://example.com/u' });
  assert.equal(await ledger.size(), 2);
  assert.deepEqual(await papers.findAttestations({ subject: 'gitTree:bb', predicateType: about.predicateType }), [kept]);
  assert.equal((await papers.findAttestations({ subject: 'sha256:aa' })).length, 2);
  assert.deepEqual(await papers.findAttestations({ subject: 'sha256:cc' }), []);
  assert.equal((await ledger.entries({ limit: 9, subject: kept.digest })).length, 1);
  await assert.rejects(papers.recordAttestation('{}', { ...about, subjects: [] }), (e) => isWaybillError(e, 'INVALID_INPUT'));
  await store.as<LedgerTables>().updateTable('ledger_attestation').set({ bundle: '{"a":3}' }).where('idx', '=', 0).execute();
  await assert.rejects(papers.findAttestations({ subject: 'sha256:aa' }), (e) => isWaybillError(e, 'LEDGER_BROKEN'));
});
