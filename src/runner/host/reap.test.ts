import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { descendantsOf, isRunning, waitUntilGone, type ProcessIdentity } from './process.ts';
import { openTestRunner } from './testing.ts';

const endless = `setsid sh -c 'trap "" TERM HUP; while :; do date +%N >> beat; sleep 0.02; done' &
until [ -s beat ]; do sleep 0.01; done
chmod 000 .
echo ready
sleep 300`;

/** A Waybill of its own, which starts a job whose step never ends, says so, and is then killed. */
const program = (folder: string, unsafe: boolean, network: string): string => `
  import { openTestRunner } from ${JSON.stringify(import.meta.resolve('./testing.ts'))};
  import { jobSpec } from ${JSON.stringify(import.meta.resolve('../contract.ts'))};
  const runner = await openTestRunner({ folder: ${JSON.stringify(folder)}, unsafeNoSandbox: ${unsafe} });
  const signal = new AbortController().signal;
  const job = await runner.start({ ...jobSpec({ network: ${JSON.stringify(network)} }), id: 'orphan' }, signal);
  await job.step({ run: ${JSON.stringify(endless)}, env: {} }, { signal, timeoutMs: 600000, onLine: ({ text }) => console.log(text) });
`;

async function killedWaybill(folder: string, unsafe: boolean, network: string): Promise<ProcessIdentity[]> {
  const code = program(folder, unsafe, network);
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface(child.stdout);
  const [line] = (await once(lines, 'line', { signal: AbortSignal.timeout(20_000) })) as [string];
  assert.equal(line, 'ready');
  const record = JSON.parse(readFileSync(join(folder, 'jobs', 'orphan.json'), 'utf8')) as { processes: ProcessIdentity[] };
  assert.ok(record.processes.length > 0 && record.processes.every(isRunning));
  // All of them: those that the record does not name are the ones that could be left.
  const all = record.processes.flatMap((root) => [root, ...descendantsOf(root.pid)]);
  child.kill('SIGKILL');
  await once(child, 'exit');
  return all;
}

const isolation = await (async () => {
  await using runner = await openTestRunner();
  return await runner.isolation();
})();

describe('after kill -9', () => {
  const modes = [
    { name: 'a job in its sandbox', unsafe: false, network: 'none', possible: isolation.ok },
    { name: 'a job in its sandbox with a network', unsafe: false, network: 'filtered', possible: isolation.ok && isolation.network },
    { name: 'a job without a sandbox', unsafe: true, network: 'none', possible: true },
  ];
  for (const { name, unsafe, network, possible } of modes) {
    test(`${name} is ended and removed`, { skip: !possible }, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'killed-'));
      const processes = await killedWaybill(folder, unsafe, network);
      if (!unsafe) assert.ok(await waitUntilGone(processes, 5000), 'a sandbox ends with its Waybill, before anybody reaps');
      await using runner = await openTestRunner({ folder });
      assert.deepEqual(await runner.reap(), ['orphan']);
      assert.ok(!processes.some(isRunning));
      assert.deepEqual(readdirSync(join(folder, 'jobs')), []);
      assert.deepEqual(await runner.reap(), []);
      rmSync(folder, { recursive: true });
    });
  }

  test('a record whose process number belongs to somebody else harms nobody', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'killed-'));
    const bystander = spawn('/bin/sleep', ['60'], { stdio: 'ignore' });
    await using runner = await openTestRunner({ folder });
    const record = { id: 'old', cookie: 'none', processes: [{ pid: bystander.pid, start: '1' }] };
    writeFileSync(join(folder, 'jobs', 'old.json'), JSON.stringify(record));
    writeFileSync(join(folder, 'jobs', 'cut.json'), '{"id":"cut","coo');
    writeFileSync(join(folder, 'jobs', 'evil.json'), JSON.stringify({ id: 'evil', cookie: '', processes: [{ pid: -1, start: '' }] }));
    assert.deepEqual(await runner.reap(), ['cut', 'evil', 'old']);
    assert.equal(bystander.exitCode, null);
    assert.equal(bystander.signalCode, null);
    bystander.kill('SIGKILL');
    rmSync(folder, { recursive: true });
    assert.equal(existsSync(folder), false);
  });
});
