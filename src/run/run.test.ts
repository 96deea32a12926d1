import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../kernel/clock.ts';
import { digestOf } from '../kernel/digest.ts';
import type { GitOid } from '../kernel/git-oid.ts';
import type { PersonId, RepositoryName, RunId } from '../kernel/ids.ts';
import { silentLogger } from '../kernel/logger.ts';
import type { Plan, PlannedStage } from '../plan/plan.ts';
import type { Runner } from '../runner/port.ts';
import { openStore } from '../store/store.ts';
import { createEngine, type EngineDeps } from './engine.ts';
import type { RunCreated } from './event.ts';
import { openJournal } from './journal.ts';
import { isFinal } from './status.ts';
import { openLogs } from './logs.ts';
import { runMigrations } from './migrations.ts';
import { findRuns } from './queries.ts';

const stage = (name: string, needs: string[], ...scripts: string[]): PlannedStage => ({
  name,
  needs,
  reusable: false,
  jobs: scripts.map((run, index) => ({
    name: `${name}-${index}`,
    env: {},
    timeoutMs: 5000,
    network: 'none',
    steps: [{ name: run, run, env: {} }],
  })),
});

const head = (plan: Partial<Plan>): RunCreated => ({
  type: 'run-created',
  repository: 'shop' as RepositoryName,
  event: 'merge',
  commit: 'a'.repeat(40) as GitOid,
  tree: 'b'.repeat(40) as GitOid,
  reviewed: true,
  plan: { event: 'merge', stages: [], images: [], deploys: [], ...plan },
  notes: [],
  requestedBy: 'dana' as PersonId,
});

/** A runner that obeys its contract in what the engine can see; what steps do is their text. */
function scriptedRunner(order: string[], scanned: Promise<void>): EngineDeps['runner'] {
  const runner: Runner & { sandboxed: boolean } = {
    name: 'host',
    sandboxed: true,
    isolation: async () => ({ ok: true, network: true, details: [] }),
    reap: async () => [],
    start: async () => ({
      workspace: '/nowhere',
      async step(step, { signal, onLine }) {
        order.push(step.run);
        onLine({ stream: 'stdout', text: `did ${step.run}`, at: new Date() });
        if (step.run === 'after the scans') await scanned;
        if (step.run === 'hang') {
          if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
          return { status: 'cancelled', exitCode: null, reason: 'cancelled' };
        }
        return step.run === 'fail' ? { status: 'failed', exitCode: 3, reason: 'exit code 3' } : { status: 'passed', exitCode: 0 };
      },
      async [Symbol.asyncDispose]() {},
    }),
  };
  return runner;
}

async function setUp(options: { file?: string } = {}) {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-run-'));
  const store = openStore(options.file ?? path.join(folder, 'store.sqlite'));
  await store.migrate(runMigrations);
  const journal = openJournal(store, systemClock);
  const logs = openLogs(path.join(folder, 'logs'));
  const order: string[] = [];
  const scanned = Promise.withResolvers<void>();
  journal.onEvent(async (run) => {
    const { scans } = await journal.state(run);
    if (scans.length > 0 && scans.every((scan) => isFinal(scan.status))) scanned.resolve();
  });
  const engine = createEngine({
    journal,
    logs,
    runner: scriptedRunner(order, scanned.promise),
    performers: {
      reuse: async (_, s) => (s.reusable ? (77 as RunId) : undefined),
      stagePassed: async (_run, _head, s) => void order.push(`paper ${s.name}`),
      scan: async (_, scan, level) => {
        order.push(`scan ${scan}`);
        if (scan === 'secrets' && level === 'any') throw new Error('a token in a.js:1');
      },
      image: async (context, image) => {
        order.push(`image ${image.name}`);
        context.log('waybill', 'building');
        if (image.name === 'broken') throw new Error('no such folder');
      },
      deploy: async (_, deploy) => {
        order.push(`deploy ${deploy.environment}`);
        return { endpoints: ['http://127.0.0.1:1/'] };
      },
      finished: async (_run, _head, outcome) => void order.push(`run ${outcome}`),
    },
    source: async () => ({ folder: '/nowhere' }),
    clock: systemClock,
    logger: silentLogger,
    slots: 2,
  });
  return {
    engine,
    journal,
    logs,
    store,
    order,
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}

const image = (name: string) => ({ name, base: 'scratch', layers: [], config: {}, network: 'none', timeoutMs: 1000 }) as const;
const deploy = (environment: string) => ({ environment, manifests: 'deploy/', images: {}, timeoutMs: 1000 });

test('stages, images and deploys follow one another, and each stage leaves its paper before the next begins', async () => {
  await using at = await setUp();
  const run = await at.engine.submit(
    head({
      stages: [stage('lint', [], 'a'), stage('core', ['lint'], 'b', 'c')],
      images: [image('shop')],
      deploys: [deploy('staging'), deploy('production')],
    }),
  );
  const state = await at.engine.wait(run);
  assert.equal(state.status, 'passed');
  // The two jobs of `core` run side by side.
  const [first, paper, ...rest] = at.order;
  assert.deepEqual(rest.splice(0, 2).sort(), ['b', 'c']);
  assert.deepEqual(
    [first, paper, ...rest],
    ['a', 'paper lint', 'paper core', 'image shop', 'deploy staging', 'deploy production', 'run passed'],
  );
  assert.deepEqual(await Array.fromAsync(at.logs.read(run, ['stage', 'lint', 'lint-0']), (line) => line.text), ['$ a', 'did a']);
  assert.deepEqual(await findRuns(at.store, { open: true }), []);
});

test('behind a failed stage nothing runs', async () => {
  await using at = await setUp();
  const state = await at.engine.wait(
    await at.engine.submit(
      head({ stages: [stage('lint', [], 'fail'), stage('core', ['lint'], 'b')], images: [image('shop')], deploys: [deploy('staging')] }),
    ),
  );
  assert.equal(state.status, 'failed');
  assert.deepEqual(at.order, ['fail', 'run failed']);
  assert.equal(state.stages[0]?.reason, 'step 1 (fail): exit code 3');
  assert.deepEqual([state.stages[1]?.status, state.images[0]?.status, state.deploys[0]?.status], ['skipped', 'skipped', 'skipped']);
});

test('scans begin beside the stages, and an image waits for both', async () => {
  await using at = await setUp();
  const scans = { secrets: 'new', dependencies: 'new', image: 'new' } as const;
  const run = await at.engine.submit(head({ scans, stages: [stage('lint', [], 'a')], images: [image('shop')] }));
  const state = await at.engine.wait(run);
  assert.equal(state.status, 'passed');
  assert.deepEqual(at.order.slice(0, -2).toSorted(), ['a', 'paper lint', 'scan dependencies', 'scan secrets']);
  assert.deepEqual(at.order.slice(-2), ['image shop', 'run passed']);
  assert.deepEqual(
    state.scans.map((scan) => scan.status),
    ['passed', 'passed'],
  );
});

test('behind a scan that failed no further stage and no image begins', async () => {
  await using at = await setUp();
  const scans = { secrets: 'any', dependencies: 'new', image: 'new' } as const;
  const run = await at.engine.submit(
    head({ scans, stages: [stage('lint', [], 'after the scans'), stage('core', ['lint'], 'b')], images: [image('shop')] }),
  );
  const state = await at.engine.wait(run);
  assert.equal(state.status, 'failed');
  assert.match(state.scans[0]?.reason ?? '', /a token in a\.js/);
  assert.equal(state.stages[1]?.status, 'skipped');
  assert.match(state.stages[1]?.reason ?? '', /the scan of secrets has failed/);
  assert.ok(!at.order.includes('image shop'));
});

test('an image that fails stops the deploy and says why', async () => {
  await using at = await setUp();
  const state = await at.engine.wait(await at.engine.submit(head({ images: [image('broken')], deploys: [deploy('staging')] })));
  assert.equal(state.status, 'failed');
  assert.equal(state.images[0]?.reason, 'no such folder');
  assert.deepEqual(at.order, ['image broken', 'run failed']);
});

test('a run that is refused when it is made ends before anything of it begins', async () => {
  await using at = await setUp();
  const refused = 'waybill.yaml:3:11: error: there is no base image node:24';
  const plan = head({ stages: [stage('lint', [], 'a')], images: [image('shop')], deploys: [deploy('staging')] });
  const state = await at.engine.wait(await at.engine.submit({ ...plan, refused }));
  assert.deepEqual([state.status, state.reason], ['failed', refused]);
  assert.deepEqual([state.stages[0]?.status, state.images[0]?.status, state.deploys[0]?.status], ['skipped', 'skipped', 'skipped']);
  assert.deepEqual(at.order, ['run failed']);
});

test('a base has one digest for the whole run, and for the run that takes its place', async () => {
  await using at = await setUp();
  const [node, tools] = [
    { reference: 'node:24', digest: digestOf('node') },
    { reference: 'tools:1', digest: digestOf('tools') },
  ];
  const run = await at.journal.create({ ...head({ stages: [stage('lint', [], 'a')] }), bases: [node] });
  await at.journal.append(run, { type: 'base-resolved', ...tools });
  const { bases } = await at.journal.append(run, { type: 'base-resolved', ...tools, digest: digestOf('moved') });
  assert.deepEqual(bases, [node, tools]);
  const next = (await at.engine.recover([run])).get(run);
  assert.ok(next !== undefined);
  assert.deepEqual((await at.engine.wait(next)).head.bases, [node, tools]);
});

test('a reusable stage is not run again', async () => {
  await using at = await setUp();
  const reusable = { ...stage('lint', [], 'a'), reusable: true };
  const state = await at.engine.wait(await at.engine.submit(head({ stages: [reusable] })));
  assert.equal(state.stages[0]?.status, 'reused');
  assert.equal(state.stages[0]?.executedIn, 77);
  assert.equal(state.status, 'passed');
});

test('a cancelled run ends as cancelled, with who and why', async () => {
  await using at = await setUp();
  const run = await at.engine.submit(head({ stages: [stage('lint', [], 'hang', 'a', 'b', 'hang'), stage('core', ['lint'], 'x')] }));
  while (!at.order.includes('hang')) await new Promise((resolve) => setTimeout(resolve, 5));
  await at.engine.cancel(run, 'rita', 'a newer push');
  const state = await at.journal.state(run);
  assert.equal(state.status, 'cancelled');
  assert.equal(state.reason, 'cancelled by rita: a newer push');
  assert.ok(!at.order.includes('x'));
  await assert.rejects(at.engine.cancel(run, 'rita', 'again'), /already ended/);
});

test('a run that is cut off in its last stage has not ended by itself: cancelled it says by whom, stopped it stays open', async () => {
  await using at = await setUp();
  const begin = async () => {
    at.order.length = 0;
    const run = await at.engine.submit(head({ stages: [stage('lint', [], 'hang')] }));
    while (!at.order.includes('hang')) await new Promise((resolve) => setTimeout(resolve, 5));
    return run;
  };
  const cancelled = await begin();
  await at.engine.cancel(cancelled, 'rita', 'a newer push');
  assert.equal((await at.journal.state(cancelled)).reason, 'cancelled by rita: a newer push');
  const stopped = await begin();
  await at.engine[Symbol.asyncDispose]();
  assert.equal((await at.journal.state(stopped)).finishedAt, undefined);
});

test('after a stop, an open run is reported as interrupted and a new one takes its place, at most twice', async () => {
  await using at = await setUp();
  const orphan = await at.journal.create(head({ stages: [stage('lint', [], 'a')] }));
  await at.journal.append(orphan, { type: 'job-started', stage: 'lint', job: 'lint-0', runner: 'host', sandboxed: true });
  const replaced = await at.engine.recover((await findRuns(at.store, { open: true })).map((row) => row.id));
  const next = replaced.get(orphan);
  assert.ok(next);
  assert.equal((await at.engine.wait(next)).status, 'passed');
  const old = await at.journal.state(orphan);
  assert.equal(old.status, 'interrupted');
  assert.equal(old.stages[0]?.jobs[0]?.status, 'interrupted');
  const tired = await at.journal.create({ ...head({}), attempt: 3 });
  assert.equal((await at.engine.recover([tired])).size, 0);
  assert.equal((await at.journal.state(tired)).status, 'interrupted');
});

test('of what is new in an environment the last look counts', async () => {
  await using at = await setUp();
  const run = await at.journal.create(head({ deploys: [deploy('staging'), deploy('production')] }));
  const found = { fresh: 1, gone: 0, learned: 0, kept: 0 };
  const look = (environment: string, text: string, passed: boolean) =>
    at.journal.append(run, { type: 'release-compared', environment, comparison: digestOf(text), release: 3 as RunId, passed, found });
  await look('staging', 'a', false);
  await look('production', 'b', true);
  const { compared } = await look('staging', 'c', true);
  assert.deepEqual(
    compared.map((each) => [each.environment, each.comparison, each.release, each.passed]),
    [
      ['production', digestOf('b'), 3, true],
      ['staging', digestOf('c'), 3, true],
    ],
  );
});

test('the journal refuses what cannot follow', async () => {
  await using at = await setUp();
  const run = await at.journal.create(head({ stages: [stage('lint', [], 'a')] }));
  await assert.rejects(
    at.journal.append(run, { type: 'job-finished', stage: 'lint', job: 'lint-0', outcome: 'passed' }),
    /waiting cannot become passed/,
  );
  await assert.rejects(at.journal.append(run, { type: 'stage-reused', stage: 'lnit', executedIn: run }), /not in the plan/);
  await at.journal.append(run, { type: 'run-cancelled', by: 'x', reason: 'y' });
  await assert.rejects(at.journal.append(run, { type: 'run-finished' }), /after the run/);
});

test('a follower sees every line, those from before and those to come, and ends with the log', async () => {
  await using at = await setUp();
  const run = 1 as RunId;
  const writer = await at.logs.writer(run, ['image', 'shöp/../x']);
  writer.line('stdout', 'first', new Date(0));
  const seen: string[] = [];
  const following = (async () => {
    for await (const line of at.logs.read(run, ['image', 'shöp/../x'], { follow: true })) seen.push(`${line.stream} ${line.text}`);
  })();
  for (let index = 0; index < 5000; index++) writer.line('stderr', `line ${index} ✓`, new Date(0));
  await new Promise((resolve) => setTimeout(resolve, 20));
  writer.line('waybill', 'last', new Date(0));
  await writer[Symbol.asyncDispose]();
  await following;
  assert.equal(seen.length, 5002);
  assert.equal(seen[5000], 'stderr line 4999 ✓');
  assert.deepEqual(await at.logs.names(run), [['image', 'shöp/../x']]);
});

test('a job whose result cannot be kept ends the jobs beside it, and gives its slot back', async () => {
  await using at = await setUp();
  const { writer } = at.logs;
  let full = true;
  at.logs.writer = async (run, name) => {
    if (full && name[2] === 'both-1') throw new Error('no space left on device');
    return writer(run, name);
  };
  for (let round = 0; round < 3; round += 1) {
    const run = await at.engine.submit(head({ stages: [stage('both', [], 'hang', 'b')] }));
    const state = await at.engine.wait(run);
    assert.equal(state.status, 'interrupted');
    assert.match(state.reason ?? '', /no space left/);
  }
  full = false;
  const run = await at.engine.submit(head({ stages: [stage('both', [], 'a', 'b')] }));
  assert.equal((await at.engine.wait(run)).status, 'passed');
});

test('the status of a run is the one of its state, while it goes on and when it is over', async () => {
  await using at = await setUp();
  const run = await at.engine.submit(head({ stages: [stage('lint', [], 'fail')] }));
  await at.engine.wait(run);
  for (const journal of [at.journal, openJournal(at.store, systemClock)])
    for (let twice = 0; twice < 2; twice += 1) assert.equal(await journal.status(run), 'failed');
  const next = await at.journal.create(head({ stages: [stage('lint', [], 'a')] }));
  assert.equal(await at.journal.status(next), 'waiting');
  await at.journal.append(next, { type: 'run-cancelled', by: 'rita', reason: 'no' });
  assert.equal(await at.journal.status(next), 'cancelled');
  await assert.rejects(at.journal.status(999 as RunId), /there is no run 999/);
});
