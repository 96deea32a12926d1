import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { endpoints } from '../src/api/endpoints.ts';
import type { RunView } from '../src/api/run-views.ts';
import { must } from '../scripts/demo/person.ts';
import { changeRun, waitFor } from '../scripts/demo/story.ts';
import { ended, isOver, logLines, mergeChange, newRepository, passed, propose, pushVersion, until } from './kit/repository.ts';
import { processes, withMark } from './kit/processes.ts';
import { openWaybill, type Waybill } from './kit/waybill.ts';

const limit = { timeout: 300_000 };
/** Much shorter than a step that waits, much longer than ending it takes. */
const soonMs = 12_000;
const head = 'version: 1\ndefaults: { network: none, timeout: 5m }\n';
/** A step that writes, and waits where there is a file `slow`; the mark is in the command line of a process of it. */
const waits = (mark: string) => `${head}stages:
  - name: lint
    on: [change]
    steps:
      - run: |
          i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo "line $i"; done
          test ! -f slow || sh -c "sleep 25; : ${mark}"
          echo end
`;

async function signerOf(waybill: Waybill): Promise<number> {
  const found = (await processes()).find(({ ppid, command }) => ppid === waybill.pid() && command.includes(' signer '));
  assert.ok(found, 'the server has a signer');
  return found.pid;
}

async function gone(pid: number, signal: AbortSignal): Promise<void> {
  await until(`process ${pid} has ended`, async () => !(await processes()).some((seen) => seen.pid === pid), signal);
}

/** The run that took the place of an interrupted one. */
async function replacementOf(waybill: Waybill, run: number): Promise<RunView> {
  const { dana, signal } = waybill;
  const rows = await dana.api.call(endpoints.listRuns);
  for (const row of rows) {
    const view = await dana.api.call(endpoints.showRun, { params: { id: row.id } });
    if (view.replaces === run) return ended(dana, view.id, signal);
  }
  throw new Error(`no run replaces ${run}: ${JSON.stringify(rows)}`);
}

/** Holds after a restart: what was open is interrupted and has a successor that passed; nothing of the old one runs. */
async function recovered(waybill: Waybill, run: number): Promise<RunView> {
  const { dana, signal } = waybill;
  const old = await dana.api.call(endpoints.showRun, { params: { id: run } });
  assert.equal(old.status, 'interrupted');
  assert.match(old.reason ?? '', /server stopped/);
  assert.ok([...old.stages, ...old.images, ...old.deploys].every(isOver), JSON.stringify(old));
  const executed = old.stages.filter((stage) => stage.status !== 'reused').flatMap((stage) => stage.jobs);
  assert.ok([...executed, ...executed.flatMap((job) => job.steps)].every(isOver), JSON.stringify(old));
  const next = await passed(dana, await replacementOf(waybill, run));
  const rows = await dana.api.call(endpoints.listRuns, { query: { limit: 1000 } });
  await Promise.all(rows.map((row) => ended(dana, row.id, signal)));
  return next;
}

/** What a follower of a log has seen, until the server or the log ends. */
function follow(waybill: Waybill, run: number, name: string): { readonly seen: string[]; readonly over: Promise<void> } {
  const seen: string[] = [];
  const over = (async () => {
    try {
      for await (const line of waybill.dana.api.lines(`/api/v1/runs/${run}/log?follow=1&name=${name}`, waybill.signal))
        seen.push((JSON.parse(line) as { text: string }).text);
    } catch (error) {
      // The server is killed under it: that is what it is there for.
      if (waybill.signal.aborted) throw error;
    }
  })();
  return { seen, over };
}

for (const by of ['SIGKILL', 'SIGTERM'] as const) {
  test(`${by} of the server while a step sleeps`, limit, async (t) => {
    await using waybill = await openWaybill();
    const { dana, signal } = waybill;
    const mark = `mark-${randomUUID()}`;
    await newRepository(waybill, 'slow', { 'README.md': 'one\n', 'waybill.yaml': waits(mark) });
    const [first] = await dana.api.call(endpoints.listRuns);
    await passed(dana, await ended(dana, first?.id ?? 0, signal));
    const { id } = await propose(waybill, 'slow', { slow: '' }, 'slow');
    const run = (await dana.api.call(endpoints.showChange, { params: { id } })).runs[0]?.id ?? 0;
    await waitFor(dana, run, (view) => view.stages[0]?.jobs[0]?.steps[0]?.status === 'running', signal);
    const follower = follow(waybill, run, 'stage/lint/lint');
    await until('the step has written and sleeps', async () => follower.seen.includes('line 40'), signal);
    const before = await withMark(mark);
    assert.ok(before.length > 0, 'the mark can be seen from outside');
    const signer = await signerOf(waybill);

    await waybill.stop(by);
    await follower.over;
    await t.test('no process of the step and no signer outlive the server for long', async () => {
      const soon = AbortSignal.timeout(soonMs);
      await gone(signer, soon);
      await until('no process of the step is alive', async () => (await withMark(mark)).length === 0, soon);
    });
    await waybill.start();
    await t.test('the run is reported as interrupted, and another takes its place and passes', async () => {
      const next = await recovered(waybill, run);
      assert.equal((await changeRun(dana, id, 1, signal)).id, next.id);
    });
    await t.test('no line that a follower saw is lost', async () => {
      const kept = await logLines(dana, run, 'stage/lint/lint');
      assert.deepEqual(kept.slice(0, follower.seen.length), follower.seen);
      assert.ok(follower.seen.length >= 41);
    });
    await t.test('the change can be merged on the word of the run that took its place', async () => {
      await passed(dana, await ended(dana, await mergeChange(waybill, id), signal));
    });
    assert.deepEqual(await withMark(mark), []);
  });
}

test('the server is killed in the middle of an image build, and right after a merge', limit, async (t) => {
  await using waybill = await openWaybill();
  const { dana, rita, signal } = waybill;
  const mark = `mark-${randomUUID()}`;
  const pipeline = `${head}stages:
  - { name: lint, on: [change], steps: [{ run: test -f README.md }] }
images:
  - name: note
    layers:
      - from: out
        to: /out
        after: ["mkdir out; echo built >out/a; test ! -f slow || sh -c 'sleep 20; : ${mark}'"]
`;
  await newRepository(waybill, 'image', { 'README.md': 'one\n', 'waybill.yaml': pipeline });

  await t.test('in the middle of a build', async () => {
    const { id } = await propose(waybill, 'image', { slow: '' }, 'slow');
    const run = await mergeChange(waybill, id);
    await waitFor(dana, run, (view) => view.images[0]?.status === 'running', signal);
    await until('the build runs', async () => (await withMark(mark)).length > 0, signal);
    await waybill.stop('SIGKILL');
    await until('no process of the build is alive', async () => (await withMark(mark)).length === 0, AbortSignal.timeout(soonMs));
    await waybill.start();
    const next = await recovered(waybill, run);
    assert.equal(next.stages[0]?.status, 'reused');
    assert.match(next.images[0]?.reference ?? '', /@sha256:/);
    await must(dana.waybill('verify', next.images[0]?.reference ?? ''));
    await must(dana.git(`${dana.folder}/image`, 'rm', '-q', 'slow'));
    const quick = await pushVersion(waybill, 'image', {}, ['-o', 'topic=quick']);
    await passed(dana, await ended(dana, await mergeChange(waybill, quick.id), signal));
  });

  await t.test('right after a merge, again and again, at any moment of it', async () => {
    for (let round = 0; round < 6; round += 1) {
      const { id } = await propose(waybill, 'image', { [`round-${round}`]: `${round}\n` }, `round-${round}`);
      await changeRun(dana, id, 1, signal);
      await rita.api.call(endpoints.approveChange, { params: { id } });
      const answer = rita.api.call(endpoints.mergeChange, { params: { id } }).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, round * 25));
      await waybill.stop('SIGKILL');
      await answer;
      await waybill.start();
      const { state } = await dana.api.call(endpoints.showChange, { params: { id } });
      if (state === 'open') await rita.api.call(endpoints.mergeChange, { params: { id } });
      const change = await dana.api.call(endpoints.showChange, { params: { id } });
      const merged = change.merge?.commit ?? '';
      assert.equal(change.state, 'merged');
      const rows = await dana.api.call(endpoints.listRuns, { query: { repository: 'image' } });
      const newest = rows.find((row) => row.event === 'merge' && row.commit === merged);
      assert.ok(newest, `round ${round}: the merged commit ${merged} has a run`);
      await passed(dana, await ended(dana, newest.id, signal));
    }
  });

  await t.test('the ledger fits, with each merge in it once', async () => {
    const merges = new Map<string, number>();
    for await (const line of dana.api.lines('/api/v1/ledger')) {
      const { leaf } = JSON.parse(line) as { leaf?: string };
      const entry = leaf === undefined ? {} : (JSON.parse(leaf) as { kind?: string; body?: { commit?: string } });
      if (entry.kind === 'merge') merges.set(entry.body?.commit ?? '', (merges.get(entry.body?.commit ?? '') ?? 0) + 1);
    }
    const changes = await dana.api.call(endpoints.listChanges);
    assert.deepEqual([...merges.entries()].sort(), changes.map((change) => [change.merge?.commit ?? '', 1] as const).sort());
  });
  assert.deepEqual(await withMark(mark), []);
});
