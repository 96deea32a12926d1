import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import type { Clock } from '../kernel/clock.ts';
import { digestOf } from '../kernel/digest.ts';
import { openImports } from '../registry/imports.ts';
import { registryMigrations } from '../registry/migrations.ts';
import { openScanDocuments } from '../scan/documents.ts';
import { scanMigrations } from '../scan/migrations.ts';
import { openStore } from '../store/store.ts';
import { lookOf, type ImportLook } from './import-look.ts';
import { importsToLookInto, askForLook } from './look-into-imports.ts';
import { isUpToDate } from './scan-third-party.ts';
import type { World } from './world.ts';

const start = Date.parse('2026-11-22T10:00:00Z');
const none = { critical: 0, high: 0, medium: 0, low: 0, unknown: 0, credentials: 0, habits: 0, gaps: 0 };
const image = { platforms: ['linux/amd64'], systems: [], bytes: 1, root: false };

/** A real store; the time and the advisories are what a test says. */
async function place(t: TestContext) {
  const root = await mkdtemp(path.join(tmpdir(), 'waybill-look-'));
  const store = openStore(path.join(root, 'waybill.db'));
  t.after(async () => {
    await store[Symbol.asyncDispose]();
    await rm(root, { recursive: true, force: true });
  });
  await store.migrate([...registryMigrations, ...scanMigrations]);
  let time = start;
  const clock: Clock = { now: () => new Date(time) };
  const advisories = { digest: digestOf('one'), updatedAt: '2026-11-20T00:00:00Z' };
  const scanners = { scanner: 'waybill 1' };
  const documents = openScanDocuments(store, clock);
  let asked = 0;
  const world = {
    clock,
    imports: openImports(store, clock),
    importAsked: () => void asked++,
    scanning: { documents, scanners, advisoryStates: async () => [{ ecosystem: 'Debian', ...advisories }] },
  } as unknown as World;
  const record = (databases: object) =>
    documents.put(
      'record',
      JSON.stringify({
        version: 1,
        report: { kind: 'image', scanner: 'waybill 1', startedAt: '', finishedAt: '', coverage: { databases } },
        level: 'report',
        passed: true,
        findings: [],
      }),
    );
  return {
    world,
    advisories,
    scanners,
    record,
    asked: () => asked,
    pass: (ms: number) => void (time += ms),
    async request(look?: ImportLook) {
      const { id } = await world.imports.request({
        reference: 'a.example/b:1',
        digest: digestOf('b'),
        repository: 'import/b',
        reason: 'x',
        requestedBy: 'dana',
      });
      if (look) await world.imports.setLook(id, JSON.stringify(look));
      return id;
    },
    async doneLook(databases: readonly object[] = [{ ecosystem: 'Debian:12', advisories: 5, ...advisories }]) {
      return {
        state: 'done',
        at: new Date(time).toISOString(),
        record: await record(databases),
        found: none,
        components: 0,
        image,
      } as const;
    },
  };
}

const hour = 60 * 60_000;
const due = async (world: World) => (await importsToLookInto(world)).map(({ id }) => id);

suite('which imports are looked into before they are approved', () => {
  test('those that wait for people, the oldest first, and none that was decided', async (t) => {
    const { world, request } = await place(t);
    const ids = [await request(), await request(), await request()];
    await world.imports.reject(ids[1] ?? 0, 'rita', 'no');
    await world.imports.approve(ids[2] ?? 0, 'rita', 1);
    const last = await request();
    assert.deepEqual(await due(world), [ids[0], last]);
  });

  test('a failed look is tried again after an hour, unless it would come to the same', async (t) => {
    const { world, request, pass } = await place(t);
    const failed = { state: 'failed', at: new Date(start).toISOString(), why: 'away' } as const;
    const id = await request({ ...failed, final: false });
    await request({ ...failed, final: true });
    pass(hour - 1);
    assert.deepEqual(await due(world), []);
    pass(1);
    assert.deepEqual(await due(world), [id]);
  });

  test('a look is renewed once a day while people wait, when there are newer advisories', async (t) => {
    const { world, request, pass, advisories, doneLook } = await place(t);
    const id = await request(await doneLook());
    pass(25 * hour);
    assert.deepEqual(await due(world), []);
    Object.assign(advisories, { digest: digestOf('two'), updatedAt: '2026-11-23T00:00:00Z' });
    assert.deepEqual(await due(world), [id]);
  });

  test('somebody asks for another look; what is decided stays as it is', async (t) => {
    const { world, request, asked } = await place(t);
    const id = await request({ state: 'failed', at: new Date(start).toISOString(), why: 'away', final: true });
    await askForLook(world, id);
    assert.deepEqual([await due(world), asked()], [[id], 1]);
    await world.imports.reject(id, 'rita', 'no');
    await assert.rejects(askForLook(world, id), { code: 'CONFLICT' });
    await assert.rejects(askForLook(world, 99), { code: 'NOT_FOUND' });
  });

  test('a look that ends after the approval does not replace what the copy has found', async (t) => {
    const { world, request, doneLook } = await place(t);
    const id = await request();
    await world.imports.approve(id, 'rita', 1);
    const mine = JSON.stringify(await doneLook());
    await world.imports.setScan(id, digestOf('record'), mine);
    assert.equal((await world.imports.setLook(id, undefined)).look, mine);
  });

  test('what cannot be read of a look is no look', () => {
    for (const look of [undefined, '', '{}', '{"state":"done"}', '{"state":"failed","at":"x"}'])
      assert.equal(lookOf(look === undefined ? {} : { look }), undefined, look);
  });
});

suite('whether looking again would tell the same', () => {
  const one = digestOf('one');
  const day = (n: number) => `2026-11-${n}T00:00:00Z`;
  for (const [what, databases, present, expected] of [
    ['the same advisories', [{ ecosystem: 'Debian:12', digest: one, updatedAt: day(20) }], {}, true],
    ['the same, brought again later', [{ ecosystem: 'Debian:12', digest: one, updatedAt: day(10) }], {}, true],
    ['other ones, newer', [{ ecosystem: 'Debian:12', digest: digestOf('x'), updatedAt: day(19) }], {}, false],
    ['other ones, older', [{ ecosystem: 'Debian:12', digest: digestOf('x'), updatedAt: day(21) }], {}, true],
    ['none then, some now', [{ ecosystem: 'Debian:12', digest: digestOf(''), updatedAt: '1970-01-01T00:00:00Z' }], {}, false],
    ['an ecosystem that nobody has now', [{ ecosystem: 'npm', digest: digestOf('x'), updatedAt: day(1) }], {}, true],
    [
      'one of two is newer',
      [
        { ecosystem: 'npm', digest: digestOf('x'), updatedAt: day(1) },
        { ecosystem: 'Debian:12', digest: digestOf('x'), updatedAt: day(1) },
      ],
      {},
      false,
    ],
    ['nothing to look up', [], {}, true],
    ['another version of the scanner', [], { scanner: 'waybill 2' }, false],
  ] as readonly (readonly [string, readonly object[], object, boolean])[])
    test(what, async (t) => {
      const { world, scanners, doneLook } = await place(t);
      Object.assign(scanners, present);
      assert.equal(await isUpToDate(world, await doneLook(databases)), expected);
    });
});
