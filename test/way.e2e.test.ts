import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpoints } from '../src/api/endpoints.ts';
import { reviewType } from '../src/evidence/statements/review.ts';
import { testResultType } from '../src/evidence/statements/tests.ts';
import { must, mustRefuse } from '../scripts/demo/person.ts';
import { changeRun } from '../scripts/demo/story.ts';
import { deliver, ended, isOver, mergeChange, newRepository, passed, propose, pushVersion, until } from './kit/repository.ts';
import { predicatesOf } from './kit/papers.ts';
import { openWaybill } from './kit/waybill.ts';

/** A test that waits for what never comes shall say so soon. */
const limit = { timeout: 300_000 };
const head = 'version: 1\ndefaults: { network: none, timeout: 1m }\n';
const stages = `${head}stages:
  - { name: lint, on: [change], steps: [{ run: test -f README.md }] }
  - { name: core, on: [merge], steps: [{ run: echo core }] }
`;
const withImage = `${stages}images:
  - { name: note, layers: [{ from: README.md, to: /README.md }] }
`;

test('the way from a push to a merged run', limit, async (t) => {
  await using waybill = await openWaybill();
  const { dana, rita, signal } = waybill;
  const showChange = (id: number) => rita.api.call(endpoints.showChange, { params: { id } });

  await t.test('the initial push is tested, builds nothing, and says so', async () => {
    const said = await newRepository(waybill, 'first', { 'README.md': 'one\n', 'waybill.yaml': withImage });
    const [row] = await dana.api.call(endpoints.listRuns, { query: { repository: 'first' } });
    assert.ok(row && said.includes(`Run ${row.id}: `), said);
    const run = await passed(dana, await ended(dana, row.id, signal));
    assert.deepEqual([run.reviewed, run.images, run.deploys], [false, [], []]);
    assert.match(run.notes.join(' '), /not reviewed/);
    assert.deepEqual(await dana.api.call(endpoints.listImages), []);
  });

  await t.test('a merge of the same tree reuses the change stages, and their papers are the image’s', async () => {
    await newRepository(waybill, 'same', { 'README.md': 'one\n', 'waybill.yaml': withImage });
    const { id } = await propose(waybill, 'same', { 'README.md': 'two\n' }, 'two');
    const tested = await passed(dana, await changeRun(dana, id, 1, signal));
    const run = await passed(dana, await ended(dana, await mergeChange(waybill, id), signal));
    assert.deepEqual(
      run.stages.map((stage) => [stage.name, stage.status, stage.executedIn]),
      [
        ['lint', 'reused', tested.id],
        ['core', 'passed', undefined],
      ],
    );
    assert.ok(tested.papers.some((paper) => paper.predicateType === testResultType));
    const [image] = run.images;
    const papers = await predicatesOf(dana, image?.digest ?? '');
    assert.equal(papers.filter((paper) => paper.predicateType === testResultType).length, 2);
    assert.equal(papers.find((paper) => paper.predicateType === reviewType)?.predicate['method'], 'identical');
  });

  await t.test(
    'when main has moved, the change stages run again on the merged tree, and the review paper says how it was merged',
    async () => {
      await newRepository(waybill, 'moved', { 'README.md': 'one\n', 'waybill.yaml': withImage });
      const one = await propose(waybill, 'moved', { 'a.txt': 'a\n' }, 'a');
      const two = await propose(waybill, 'moved', { 'b.txt': 'b\n' }, 'b');
      await ended(dana, await mergeChange(waybill, one.id), signal);
      const run = await passed(dana, await ended(dana, await mergeChange(waybill, two.id), signal));
      assert.deepEqual(
        run.stages.map((stage) => stage.status),
        ['passed', 'passed'],
      );
      assert.equal((await showChange(two.id)).merge?.method, 'mechanical-merge');
      const papers = await predicatesOf(dana, run.images[0]?.digest ?? '');
      assert.equal(papers.find((paper) => paper.predicateType === reviewType)?.predicate['method'], 'mechanical-merge');
    },
  );

  await t.test('a newer push cancels the run of the older version, and only that', async () => {
    const slow = `${head}stages:\n  - { name: lint, on: [change], steps: [{ run: test ! -f slow || sleep 50 }] }\n`;
    await newRepository(waybill, 'newer', { 'README.md': 'one\n', 'waybill.yaml': slow });
    const { id } = await propose(waybill, 'newer', { slow: '' }, 'slow');
    await until('the first version runs', async () => (await showChange(id)).runs[0]?.status === 'running', signal);
    await must(dana.git(`${dana.folder}/newer`, 'rm', '-q', 'slow'));
    await pushVersion(waybill, 'newer', { 'README.md': 'two\n' }, ['-o', `change=${id}`]);
    const second = await changeRun(dana, id, 2, signal);
    const first = await changeRun(dana, id, 1, signal);
    assert.deepEqual([first.status, second.status], ['cancelled', 'passed']);
    assert.match(first.reason ?? '', /version 2 of change/);
  });

  await t.test('a pipeline file with errors: the push tells line, column and caret, and the merge is refused', async () => {
    await newRepository(waybill, 'wrong', { 'README.md': 'one\n', 'waybill.yaml': stages });
    const { id, said } = await propose(
      waybill,
      'wrong',
      { 'waybill.yaml': stages.replace('steps: [{ run: echo', 'stebs: [{ run: echo') },
      'x',
    );
    assert.match(said, /waybill\.yaml:5:\d+/);
    assert.match(said, /\^/);
    assert.match(said, /steps/);
    assert.deepEqual((await showChange(id)).runs, []);
    await must(rita.waybill('change', 'approve', String(id)));
    await mustRefuse(rita.waybill('change', 'merge', String(id)), /pipeline file could not be read/);
    assert.equal((await showChange(id)).state, 'open');
  });

  for (const [what, file, words] of [
    ['no pipeline file', undefined, /There is no waybill\.yaml/],
    ['an empty list of stages', `${head}stages: []\n`, /waybill\.yaml:3:\d+[^]*at least one stage/],
    ['an empty pipeline file', '', /waybill\.yaml:1:1/],
  ] as const) {
    await t.test(`${what}: pushes say so, nothing is tested, nothing can be merged`, async () => {
      const name = what.replaceAll(' ', '-');
      const said = await newRepository(waybill, name, { 'README.md': 'one\n', ...(file === undefined ? {} : { 'waybill.yaml': file }) });
      assert.match(said, words);
      const change = await propose(waybill, name, { 'README.md': 'two\n' }, 'two');
      assert.match(change.said, words);
      await must(rita.waybill('change', 'approve', String(change.id)));
      await mustRefuse(rita.waybill('change', 'merge', String(change.id)), /has no run/);
      assert.deepEqual(await dana.api.call(endpoints.listRuns, { query: { repository: name } }), []);
      // The way out of it is a change that adds a file that can be read.
      const mended = await propose(waybill, name, { 'waybill.yaml': stages }, 'mended');
      await passed(dana, await ended(dana, await mergeChange(waybill, mended.id), signal));
    });
  }

  await t.test('a change that gives itself images and deploys gets neither', async () => {
    await newRepository(waybill, 'greedy', { 'README.md': 'one\n', 'waybill.yaml': stages });
    const greedy = `${withImage.replaceAll('[merge]', '[change, merge]')}deploy:\n  - { environment: demo, manifests: deploy/ }\n`;
    const { id } = await propose(waybill, 'greedy', { 'waybill.yaml': greedy, 'deploy/a.yaml': 'kind: List\n' }, 'greedy');
    const run = await passed(dana, await changeRun(dana, id, 1, signal));
    assert.deepEqual([run.reviewed, run.images, run.deploys], [false, [], []]);
    const logs = await dana.api.call(endpoints.listLogs, { params: { id: run.id } });
    assert.deepEqual(new Set(logs.map(([kind]) => kind)), new Set(['scan', 'stage']));
    const images = await dana.api.call(endpoints.listImages);
    assert.ok(images.every((image) => !image.repository.startsWith('greedy/')));
  });

  await t.test('a stage that fails stops what is behind it, on the change and on the merged commit', async () => {
    const failing = withImage.replace('echo core', 'test ! -f bad');
    await newRepository(waybill, 'failing', { 'README.md': 'one\n', 'waybill.yaml': failing });
    const run = await deliver(waybill, 'failing', { bad: '' }, 'bad');
    assert.equal(run.status, 'failed');
    assert.deepEqual(
      run.stages.map((stage) => stage.status),
      ['reused', 'failed'],
    );
    assert.ok(run.images.every((image) => image.digest === undefined));
    const red = await propose(waybill, 'failing', { 'waybill.yaml': failing.replace('test -f README.md', 'exit 3') }, 'red');
    const tested = await changeRun(dana, red.id, 1, signal);
    assert.equal(tested.status, 'failed');
    await must(rita.waybill('change', 'approve', String(red.id)));
    await mustRefuse(rita.waybill('change', 'merge', String(red.id)), new RegExp(`run ${tested.id} .*failed`));
  });

  await t.test('no run is left open', async () => {
    const rows = await dana.api.call(endpoints.listRuns, { query: { limit: 1000 } });
    assert.ok(rows.every(isOver));
    assert.deepEqual(
      waybill.log.filter((line) => line.includes('"level":50')),
      [],
    );
  });
});
