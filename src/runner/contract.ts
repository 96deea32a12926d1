import assert from 'node:assert/strict';
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { pack, type Pack } from 'tar-stream';
import type { JobHandle, JobSpec, OutputLine, Runner, StepResult } from './port.ts';

/** What every runner must hold, in one file above the usual size: it is one contract, read and run as a whole. */
export type RunnerUnderTest = {
  /** Opens a runner with a state of its own. `maxLineBytes` must be 1024, `maxOutputBytes` 5 MiB. */
  open(): Promise<Runner & AsyncDisposable>;
  /** False when steps are plain processes: what only a sandbox can promise is left out. */
  readonly isolated: boolean;
};

/** Runs one step and gathers its lines. */
export async function runStep(
  job: JobHandle,
  run: string,
  options: { env?: Record<string, string>; timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<{ result: StepResult; lines: OutputLine[]; out: string[]; err: string[] }> {
  const lines: OutputLine[] = [];
  const result = await job.step(
    { run, env: options.env ?? {} },
    { signal: options.signal ?? new AbortController().signal, timeoutMs: options.timeoutMs ?? 60_000, onLine: (line) => lines.push(line) },
  );
  const of = (stream: OutputLine['stream']): string[] => lines.filter((line) => line.stream === stream).map(({ text }) => text);
  return { result, lines, out: of('stdout'), err: of('stderr') };
}

let count = 0;

/** A job without a source and without a network, unless said otherwise. */
export function jobSpec(given: Partial<JobSpec> = {}): JobSpec {
  count += 1;
  return { id: `job-${process.pid}-${count}`, source: { tar: tarOf(() => undefined) }, env: {}, network: 'none', ...given };
}

/** An uncompressed tar of what `fill` puts into it. */
export function tarOf(fill: (tar: Pack) => void): Readable {
  const tar = pack();
  fill(tar);
  tar.finalize();
  return Readable.from(tar);
}

const never = (): AbortSignal => new AbortController().signal;

/** What every runner must do: the sentences of port.ts, and what a user may rely on. */
export function runnerContract(name: string, subject: RunnerUnderTest): void {
  describe(`runner contract: ${name}`, () => {
    let runner: Runner & AsyncDisposable;
    before(async () => {
      runner = await subject.open();
      const isolation = await runner.isolation();
      assert.equal(isolation.ok, true, isolation.ok ? '' : isolation.reason);
    });
    after(() => runner[Symbol.asyncDispose]());

    describe('the exit code is what the operating system says', () => {
      const table: readonly { run: string; exitCode: number; reason?: RegExp }[] = [
        { run: 'true', exitCode: 0 },
        { run: '', exitCode: 0 },
        { run: 'echo "exit code 1"', exitCode: 0 },
        { run: 'exit 3', exitCode: 3, reason: /exit code 3/ },
        { run: 'false\necho not reached', exitCode: 1, reason: /exit code 1/ },
        { run: 'no-such-command', exitCode: 127, reason: /not found/ },
        { run: 'touch plain; ./plain', exitCode: 126, reason: /could not be executed/ },
        { run: "sh -c 'kill -KILL $$'", exitCode: 137, reason: /SIGKILL \(out of memory\?\)/ },
        { run: "sh -c 'kill -TERM $$'", exitCode: 143, reason: /SIGTERM/ },
        { run: 'if', exitCode: 2, reason: /exit code 2/ },
      ];
      for (const { run, exitCode, reason } of table) {
        test(JSON.stringify(run), async () => {
          await using job = await runner.start(jobSpec(), never());
          const { result, out } = await runStep(job, run);
          assert.equal(result.exitCode, exitCode);
          assert.equal(result.status, exitCode === 0 ? 'passed' : 'failed');
          if (result.status !== 'passed') assert.match(result.reason, reason ?? /./);
          assert.ok(!out.includes('not reached'));
        });
      }
    });

    describe('output arrives in whole lines', () => {
      const long = 'x'.repeat(2500);
      const table: readonly { name: string; run: string; out: readonly string[] }[] = [
        { name: 'in order', run: 'echo a; echo b; echo c', out: ['a', 'b', 'c'] },
        { name: 'a last one without newline', run: 'printf "a\\nb"', out: ['a', 'b'] },
        { name: 'empty ones', run: 'printf "\\n\\n"', out: ['', ''] },
        { name: 'with carriage returns', run: 'printf "a\\r\\nb\\r\\n"', out: ['a', 'b'] },
        { name: 'invalid UTF-8 replaced', run: 'printf "a\\377b\\n"', out: ['a\ufffdb'] },
        { name: 'UTF-8 in pieces', run: 'printf "\\303"; sleep 0.05; printf "\\244\\n"', out: ['ä'] },
        { name: 'NUL bytes', run: 'printf "a\\000b\\n"', out: ['a\0b'] },
        {
          name: 'over-long ones split',
          run: `printf '${long}\\nend\\n'`,
          out: [long.slice(0, 1024), long.slice(1024, 2048), long.slice(2048), 'end'],
        },
        { name: 'through /dev/stdout', run: 'echo a > /dev/stdout', out: ['a'] },
      ];
      for (const { name, run, out } of table) {
        test(name, async () => {
          await using job = await runner.start(jobSpec(), never());
          assert.deepEqual((await runStep(job, run)).out, out);
        });
      }

      test('per stream, with a time', async () => {
        await using job = await runner.start(jobSpec(), never());
        const { lines, err } = await runStep(job, 'echo out; echo err >&2; echo more > /dev/stderr');
        assert.deepEqual(err, ['err', 'more']);
        assert.ok(lines.every(({ at }) => at instanceof Date));
      });

      test('100,000 of them', async () => {
        await using job = await runner.start(jobSpec(), never());
        const { out } = await runStep(job, 'seq 100000');
        assert.equal(out.length, 100_000);
        assert.equal(out.at(-1), '100000');
      });

      test('binary output harms nobody', async () => {
        await using job = await runner.start(jobSpec(), never());
        const { result, lines } = await runStep(job, 'head -c 3000000 /dev/urandom');
        assert.equal(result.status, 'passed');
        assert.ok(lines.every(({ text }) => text.length <= 1024));
      });

      test('more than allowed ends the step', async () => {
        await using job = await runner.start(jobSpec(), never());
        const { result } = await runStep(job, 'yes');
        assert.equal(result.status, 'failed');
        assert.match(result.status === 'failed' ? result.reason : '', /bytes of output/);
        assert.equal((await runStep(job, 'true')).result.status, 'passed');
      });
    });

    describe('a job', () => {
      test('has one workspace for all of its steps, and the next job another', async () => {
        await using one = await runner.start(jobSpec(), never());
        await using two = await runner.start(jobSpec(), never());
        await runStep(one, 'echo hello > file; mkdir -p a/b; cd a/b');
        assert.deepEqual((await runStep(one, 'cat file; basename "$PWD"')).out, ['hello', 'workspace']);
        assert.equal(readFileSync(join(one.workspace, 'file'), 'utf8'), 'hello\n');
        assert.deepEqual((await runStep(two, 'ls -A')).out, []);
      });

      test('cannot reach the workspace of another', { skip: !subject.isolated }, async () => {
        await using one = await runner.start(jobSpec(), never());
        await using two = await runner.start(jobSpec({ env: { OTHER: one.workspace } }), never());
        await runStep(one, 'echo hello > file');
        const { result } = await runStep(two, 'ln -s "$OTHER" link; cat link/file || cat "$OTHER/file" || ls "$OTHER"');
        assert.equal(result.status, 'failed');
      });

      test('gets its environment and the step adds to it, byte by byte', async () => {
        const env = { A: `it's "$HOME" \`id\` \\ $(id)\nline two`, B: 'job', C: '' };
        await using job = await runner.start(jobSpec({ env }), never());
        const { out } = await runStep(job, 'printf "%s|%s|%s|%s" "$A" "$B" "${C-unset}" "$CI"', { env: { B: "step's" } });
        assert.deepEqual(out, `${env.A}|step's||true`.split('\n'));
      });

      test('refuses an environment that no shell can have', async () => {
        await assert.rejects(runner.start(jobSpec({ env: { 'A;id': 'x' } }), never()), { code: 'INVALID_INPUT' });
        await using job = await runner.start(jobSpec(), never());
        await assert.rejects(runStep(job, 'true', { env: { A: 'a\0b' } }), { code: 'INVALID_INPUT' });
      });

      test('sees nothing of the environment of this process', async () => {
        await using job = await runner.start(jobSpec(), never());
        const known = /^(PATH|HOME|LANG|CI|TMPDIR|PWD|SHLVL|OLDPWD|_|SSL_CERT_FILE|NODE_EXTRA_CA_CERTS|WAYBILL_JOB)=/;
        const { out } = await runStep(job, 'env');
        assert.deepEqual(
          out.filter((line) => !known.test(line)),
          [],
        );
      });

      test('takes a script as it is', async () => {
        await using job = await runner.start(jobSpec(), never());
        const script = `cat <<'END'\n' " \\ $x \`y\` %s\nEND\n# ${'c'.repeat(300_000)}`;
        assert.deepEqual((await runStep(job, script)).out, [`' " \\ $x \`y\` %s`]);
      });

      test('reads nothing from its input', async () => {
        await using job = await runner.start(jobSpec(), never());
        assert.deepEqual((await runStep(job, 'cat; echo end')).out, ['end']);
      });

      test('has an id of its own, without meaning for a path', async () => {
        const spec = jobSpec();
        await using job = await runner.start(spec, never());
        assert.ok(job);
        await assert.rejects(runner.start(spec, never()), { code: 'CONFLICT' });
        for (const id of ['../x', '', 'a/b', '.', '-x', 'a b']) {
          await assert.rejects(runner.start(jobSpec({ id }), never()), { code: 'INVALID_INPUT' });
        }
      });

      test('runs one step at a time', async () => {
        await using job = await runner.start(jobSpec(), never());
        const first = runStep(job, 'sleep 0.3');
        await assert.rejects(runStep(job, 'true'), { code: 'CONFLICT' });
        assert.equal((await first).result.status, 'passed');
      });

      test('throws what the listener of its lines throws, and goes on', async () => {
        await using job = await runner.start(jobSpec(), never());
        const options = { signal: never(), timeoutMs: 60_000 };
        const onLine = (): void => {
          throw new Error('disk full');
        };
        await assert.rejects(job.step({ run: 'echo a; sleep 30', env: {} }, { ...options, onLine }), /disk full/);
        assert.equal((await runStep(job, 'true')).result.status, 'passed');
      });
    });

    describe('the source', () => {
      test('is extracted from a tar, with links and modes', async () => {
        const tar = tarOf((tar) => {
          tar.entry({ name: 'dir/', type: 'directory', mode: 0o755 });
          tar.entry({ name: 'dir/run.sh', mode: 0o775 }, '#!/bin/sh\necho ran\n');
          tar.entry({ name: 'deep/without/folder' }, 'x');
          tar.entry({ name: 'link', type: 'symlink', linkname: 'dir/run.sh' });
          tar.entry({ name: 'outside', type: 'symlink', linkname: '/etc/hostname' });
        });
        await using job = await runner.start(jobSpec({ source: { tar } }), never());
        assert.deepEqual((await runStep(job, './link; cat deep/without/folder; echo; readlink outside; touch dir/new')).out, [
          'ran',
          'x',
          '/etc/hostname',
        ]);
      });

      test('is copied from a folder', async () => {
        const folder = mkdtempSync(join(tmpdir(), 'source-'));
        mkdirSync(join(folder, 'dir'));
        writeFileSync(join(folder, 'dir', 'file'), 'hello\n');
        symlinkSync('/etc', join(folder, 'link'));
        await using job = await runner.start(jobSpec({ source: { folder } }), never());
        rmSync(folder, { recursive: true });
        assert.deepEqual((await runStep(job, 'cat dir/file; readlink link; echo more >> dir/file')).out, ['hello', '/etc']);
      });

      const hostile: readonly { name: string; entries: (tar: Pack) => void }[] = [
        { name: 'a path that leads upward', entries: (tar) => tar.entry({ name: '../escaped' }, 'x') },
        { name: 'an absolute path', entries: (tar) => tar.entry({ name: '/tmp/escaped' }, 'x') },
        { name: 'a path upward in the middle', entries: (tar) => tar.entry({ name: 'a/../../escaped' }, 'x') },
        {
          name: 'a file behind a link',
          entries: (tar) => {
            tar.entry({ name: 'link', type: 'symlink', linkname: '/tmp' });
            tar.entry({ name: 'link/escaped' }, 'x');
          },
        },
        {
          name: 'a folder in place of a link',
          entries: (tar) => {
            tar.entry({ name: 'link', type: 'symlink', linkname: '/tmp' });
            tar.entry({ name: 'link', type: 'directory' });
          },
        },
        {
          name: 'a file in place of a link',
          entries: (tar) => {
            tar.entry({ name: 'link', type: 'symlink', linkname: '/tmp/escaped' });
            tar.entry({ name: 'link' }, 'x');
          },
        },
        { name: 'a hard link', entries: (tar) => tar.entry({ name: 'hard', type: 'link', linkname: '/etc/passwd' }) },
        { name: 'a device', entries: (tar) => tar.entry({ name: 'dev', type: 'character-device', devmajor: 1, devminor: 3 }) },
        { name: 'a pipe', entries: (tar) => tar.entry({ name: 'pipe', type: 'fifo' }) },
      ];
      for (const { name, entries } of hostile) {
        test(`is refused with ${name}`, async () => {
          const spec = jobSpec({ source: { tar: tarOf(entries) } });
          await assert.rejects(runner.start(spec, never()), { code: 'INVALID_INPUT' });
          assert.equal(existsSync('/tmp/escaped'), false);
          await using again = await runner.start({ ...jobSpec(), id: spec.id }, never()); // nothing was left behind
          assert.ok(again);
        });
      }

      test('is refused when it is no tar, or cut off', async () => {
        const whole = await tarOf((tar) => tar.entry({ name: 'file' }, 'x'.repeat(5000))).toArray();
        const bytes = Buffer.concat(whole);
        for (const bad of [Buffer.alloc(2048, 'x'), bytes.subarray(0, 3000)]) {
          await assert.rejects(runner.start(jobSpec({ source: { tar: Readable.from([bad]) } }), never()), { code: 'INVALID_INPUT' });
        }
      });
    });

    describe('the end', () => {
      /** Starts something in the background that writes for as long as it lives, and outlives its parent. */
      const heart = `(trap '' TERM HUP; setsid sh -c 'trap "" TERM HUP; while :; do date +%N >> beat; sleep 0.02; done' >/dev/null 2>&1 &)\nuntil [ -s beat ]; do sleep 0.01; done\n`;
      const stillBeats = async (job: JobHandle): Promise<boolean> => {
        const size = (): number => lstatSync(join(job.workspace, 'beat')).size;
        const now = size();
        await sleep(150);
        return size() !== now;
      };

      test('of a step is the end of what it started', async () => {
        await using job = await runner.start(jobSpec(), never());
        assert.equal((await runStep(job, heart)).result.status, 'passed');
        assert.equal(await stillBeats(job), false);
      });

      test('comes with the timeout, also for those who ignore SIGTERM', async () => {
        await using job = await runner.start(jobSpec(), never());
        const { result } = await runStep(job, `${heart}trap '' TERM; while :; do sleep 1; done`, { timeoutMs: 700 });
        assert.equal(result.status, 'timed-out');
        assert.equal(await stillBeats(job), false);
      });

      test('lets a step clean up', async () => {
        await using job = await runner.start(jobSpec(), never());
        const run = `trap 'echo cleaned; exit 1' TERM\nwhile :; do sleep 0.02; done`;
        const { result, out } = await runStep(job, run, { timeoutMs: 500 });
        assert.equal(result.status, 'timed-out');
        assert.ok(out.includes('cleaned'));
      });

      test('comes with an abort', async () => {
        await using job = await runner.start(jobSpec(), never());
        const controller = new AbortController();
        const lines: string[] = [];
        const promise = job.step(
          { run: `${heart}echo ready\nsleep 60`, env: {} },
          {
            signal: controller.signal,
            timeoutMs: 60_000,
            onLine({ text }) {
              lines.push(text);
              controller.abort();
            },
          },
        );
        assert.equal((await promise).status, 'cancelled');
        assert.equal(lines[0], 'ready');
        assert.equal(await stillBeats(job), false);
        assert.equal((await runStep(job, 'true', { signal: controller.signal })).result.status, 'cancelled');
      });

      test('of a job ends its step and removes its workspace, whatever is in it', async () => {
        const job = await runner.start(jobSpec(), never());
        const { promise: ready, resolve } = Promise.withResolvers<void>();
        const run = `ln -s /etc escape; ln -s /tmp/kept inner; mkdir -p a/b/c; echo x > a/b/c/f; chmod 000 a/b/c a/b a; ${heart}echo ready; sleep 60`;
        const step = job.step({ run, env: {} }, { signal: never(), timeoutMs: 60_000, onLine: () => resolve() });
        await ready;
        await job[Symbol.asyncDispose]();
        assert.equal((await step).status, 'cancelled');
        assert.equal(existsSync(job.workspace), false);
        assert.ok(existsSync('/etc/passwd'));
        await assert.rejects(runStep(job, 'true'), { code: 'CONFLICT' });
      });

      test('of a job copes with paths deeper than the system allows', async () => {
        const job = await runner.start(jobSpec(), never());
        const name = 'd'.repeat(200);
        await runStep(job, `i=0; while [ $i -lt 40 ]; do mkdir ${name}; cd -P ${name} 2>/dev/null || break; i=$((i+1)); done; :`);
        await job[Symbol.asyncDispose]();
        assert.equal(existsSync(job.workspace), false);
      });

      test('of a start that is aborted leaves nothing', async () => {
        const spec = jobSpec();
        await assert.rejects(runner.start(spec, AbortSignal.abort()));
        await using job = await runner.start({ ...jobSpec(), id: spec.id }, never());
        assert.ok(job);
      });
    });
  });
}
