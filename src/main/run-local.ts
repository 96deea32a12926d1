import { execa } from 'execa';
import { cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Processes } from '../cli/context.ts';
import { badge, lasted, painter, plain } from '../cli/terminal.ts';
import { systemClock } from '../kernel/clock.ts';
import { WaybillError } from '../kernel/error.ts';
import { zeroOid } from '../kernel/git-oid.ts';
import type { PersonId, RepositoryName } from '../kernel/ids.ts';
import { silentLogger } from '../kernel/logger.ts';
import type { Event } from '../plan/event.ts';
import { planFor } from '../plan/make-plan.ts';
import { parsePipeline } from '../plan/parse.ts';
import { problemsText } from '../plan/problem-text.ts';
import { selectForLocal } from '../plan/select.ts';
import { createEngine } from '../run/engine.ts';
import { openJournal } from '../run/journal.ts';
import type { Logs } from '../run/logs.ts';
import { runMigrations } from '../run/migrations.ts';
import { openHostRunner } from '../runner/host/open.ts';
import { openStore } from '../store/store.ts';
import { findToolchains } from './toolchains.ts';

type Options = Parameters<Processes['runLocal']>[0] & { environment: NodeJS.ProcessEnv };

/** Runs stages of the checkout with the same engine and runner as the server, a journal in memory, and no keys: nothing is signed or built. */
export async function runLocal(options: Options): Promise<boolean> {
  const { cwd, out, note, signal, environment } = options;
  const paint = painter(options.colour);
  const file = path.join(cwd, 'waybill.yaml');
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new WaybillError('NOT_FOUND', `there is no waybill.yaml in ${cwd}`, { cause, fix: 'Go to the root of the repository.' });
  });
  const parsed = parsePipeline(text);
  if (!parsed.ok) {
    out(problemsText(parsed.problems, text, options.colour));
    return false;
  }
  const plan = planFor(parsed.pipeline, options.event as Event);
  const stages = selectForLocal(plan, options.only).map((stage) => ({ ...stage, reusable: false }));
  if (stages.length === 0) {
    note(`No stage is on \`${options.event}\`: nothing to run.`);
    return true;
  }

  const scratch = await mkdtemp(path.join(tmpdir(), 'waybill-run-'));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(scratch, { recursive: true, force: true }));
  const source = path.join(scratch, 'source');
  await copyCheckout(cwd, source, signal);

  const tools = findToolchains(environment['PATH'] ?? '', ['node', 'npm']);
  const runner = stack.use(
    await openHostRunner({
      folder: path.join(scratch, 'work'),
      logger: silentLogger,
      clock: systemClock,
      toolchains: tools.folders,
      path: [...tools.path, '/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'].join(':'),
      allowAddresses: [],
      unsafeNoSandbox: options.unsafeNoSandbox,
    }),
  );
  const isolation = await runner.isolation();
  if (!isolation.ok) {
    throw new WaybillError('UNSUPPORTED', `no sandbox works here: ${isolation.reason}`, {
      fix: 'Mend that, or for code that you trust: waybill run --unsafe-no-sandbox.',
    });
  }
  if (options.unsafeNoSandbox) note(paint('yellow', 'Without a sandbox: steps can do whatever you can. Nothing is signed.'));

  const store = stack.use(openStore(':memory:'));
  await store.migrate(runMigrations);
  const journal = openJournal(store, systemClock);
  const engine = stack.use(
    createEngine({
      journal,
      logs: terminalLogs(out, (name) => paint('dim', `${name} │ `)),
      runner,
      performers: {
        reuse: async () => undefined,
        stagePassed: async () => undefined,
        scan: async () => undefined,
        image: async () => undefined,
        deploy: async () => ({ endpoints: [] }),
        finished: async () => undefined,
      },
      source: async () => ({ folder: source }),
      clock: systemClock,
      logger: silentLogger,
      slots: 2,
    }),
  );
  const run = await engine.submit({
    type: 'run-created',
    repository: 'checkout' as RepositoryName,
    event: options.event as Event,
    commit: zeroOid,
    tree: zeroOid,
    reviewed: false,
    plan: { event: options.event as Event, stages, images: [], deploys: [] },
    notes: [],
    requestedBy: 'you' as PersonId,
  });
  const stop = () => {
    engine.cancel(run, 'you', 'Ctrl-C').catch(() => undefined);
  };
  signal.addEventListener('abort', stop, { once: true });
  const state = await engine.wait(run);
  signal.removeEventListener('abort', stop);
  for (const stage of state.stages) {
    out(
      `${badge(paint, stage.status)} ${stage.name} ${paint('dim', lasted(stage.startedAt, stage.finishedAt))}${stage.reason ? `  ${plain(stage.reason)}` : ''}`,
    );
  }
  if (options.only === undefined && plan.images.length > 0)
    note(paint('dim', 'Images and deploys are made by the server alone, from reviewed commits.'));
  return state.status === 'passed';
}

/** What git knows or would add, as it is in the working tree; without git, everything. */
async function copyCheckout(from: string, to: string, signal: AbortSignal): Promise<void> {
  await mkdir(to);
  const listed = await execa('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: from,
    reject: false,
    cancelSignal: signal,
    timeout: 60_000,
    maxBuffer: 256 * 1024 * 1024,
  });
  if (listed.exitCode !== 0) {
    await cp(from, to, { recursive: true, verbatimSymlinks: true });
    return;
  }
  for (const file of new Set(listed.stdout.split('\0'))) {
    if (file === '') continue;
    // A file that is deleted in the working tree is still listed.
    await cp(path.join(from, file), path.join(to, file), { recursive: true, verbatimSymlinks: true }).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      },
    );
  }
}

function terminalLogs(out: (line: string) => void, lead: (name: string) => string): Logs {
  return {
    async writer(_, name) {
      const prefix = lead(name.slice(1).join('/'));
      return {
        line: (_stream, text) => out(prefix + plain(text)),
        async [Symbol.asyncDispose]() {},
      };
    },
    names: async () => [],
    async *read() {},
  };
}
