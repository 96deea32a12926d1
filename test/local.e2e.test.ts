import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { execa } from 'execa';
import { cli } from './kit/cli.ts';
import { withMark } from './kit/processes.ts';
import { until, writeFiles } from './kit/repository.ts';
import { root } from './kit/waybill.ts';

const limit = { timeout: 240_000 };
const pipeline = (mark: string) => `version: 1
defaults: { network: none, timeout: 2m }
stages:
  - { name: lint, on: [change], steps: [{ run: cat README.md }] }
  - name: smoke
    on: [change]
    jobs:
      - { name: fast, steps: [{ run: echo fast }] }
      - { name: other, steps: [{ run: echo other }] }
  - { name: broken, on: [tag], steps: [{ run: "echo before; exit 4" }, { run: echo never }] }
  - { name: endless, on: [manual], steps: [{ run: "echo begun; sh -c 'sleep 90; : ${mark}'; echo never" }] }
images:
  - { name: note, layers: [{ from: README.md, to: /README.md }] }
`;

test('waybill run: the stages of a checkout, without a server', limit, async (t) => {
  const scratch = await mkdtemp(path.join(tmpdir(), 'waybill-local-'));
  t.after(() => rm(scratch, { recursive: true, force: true }));
  const [cwd, own] = [path.join(scratch, 'checkout'), path.join(scratch, 'tmp')];
  const mark = `mark-${randomUUID()}`;
  await mkdir(own);
  await mkdir(cwd);
  await writeFiles(cwd, { 'README.md': 'committed\n', 'waybill.yaml': pipeline(mark), '.gitignore': 'ignored\n', ignored: 'no\n' });
  await execa('git', ['init', '-q'], { cwd });
  await execa('git', ['add', '-A'], { cwd });
  const run = (...args: string[]) => cli(['run', ...args], { cwd, env: { TMPDIR: own }, timeoutMs: 120_000 });
  const nothingLeft = async () => {
    assert.deepEqual(await readdir(own), []);
    assert.deepEqual(await withMark(mark), []);
  };

  await t.test('runs what is in the working tree, committed or not, and says what it leaves out', async () => {
    await writeFile(path.join(cwd, 'README.md'), 'not committed\n');
    const said = await run('--event', 'merge');
    assert.equal(said.status, 0, said.out + said.err);
    assert.match(said.out, /not committed[^]*✔ passed lint[^]*✔ passed smoke/);
    assert.match(said.err, /Images and deploys are made by the server alone/);
    await nothingLeft();
  });

  await t.test('one stage, one job', async () => {
    const stage = await run('lint');
    assert.equal(stage.status, 0, stage.err);
    assert.doesNotMatch(stage.out, /smoke/);
    const job = await run('fast');
    assert.equal(job.status, 0, job.err);
    assert.match(job.out, /fast/);
    assert.doesNotMatch(job.out, /other/);
  });

  await t.test('a step that fails ends it, with its status and without the next step', async () => {
    const said = await run('--event', 'tag');
    assert.equal(said.status, 1);
    assert.match(said.out, /before[^]*exit code 4/);
    assert.doesNotMatch(said.out, /never/);
    await nothingLeft();
  });

  await t.test('what cannot be run is told in words', async () => {
    for (const [args, words] of [
      [['nothing'], /nothing/],
      [['--event', 'never'], /no event "never"/],
    ] as const) {
      const said = await run(...args);
      assert.equal(said.status, 1, said.out);
      assert.match(said.err, words);
      assert.match(said.err, /\n {2}fix /);
      assert.doesNotMatch(said.err, /defect/);
    }
    const quiet = await run('--event', 'schedule');
    assert.equal(quiet.status, 0);
    assert.match(quiet.err, /nothing to run/);
    const elsewhere = await cli(['run'], { cwd: own, env: { HOME: scratch } });
    assert.match(elsewhere.err, /no waybill\.yaml/);
    await writeFile(path.join(own, 'waybill.yaml'), 'version: 1\nstagez: []\n');
    const bad = await cli(['run'], { cwd: own, env: { HOME: scratch } });
    assert.equal(bad.status, 1);
    assert.match(bad.out, /waybill\.yaml:2:1[^]*stages/);
    await rm(path.join(own, 'waybill.yaml'));
    await nothingLeft();
  });

  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    await t.test(`${signal} ends it, with all its processes and files`, async (t) => {
      const child = spawn(path.join(root, 'bin', 'waybill'), ['run', '--event', 'manual', 'endless'], {
        cwd,
        env: { PATH: process.env['PATH'], HOME: scratch, TMPDIR: own },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      t.after(() => child.kill('SIGKILL'));
      const ended = once(child, 'exit') as Promise<[number | null]>;
      const lines: string[] = [];
      createInterface(child.stdout).on('line', (line) => lines.push(line));
      child.stderr.resume();
      await until('the step runs', async () => (await withMark(mark)).length > 0, AbortSignal.timeout(60_000));
      child.kill(signal);
      const [status] = await ended;
      assert.notEqual(status, 0);
      assert.ok(!lines.some((line) => line.endsWith('│ never')), lines.join('\n'));
      await nothingLeft();
    });
});
