import { closeSync, existsSync, lchownSync, mkdirSync, openSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withDeadline } from '../../kernel/deadline.ts';
import { WaybillError } from '../../kernel/error.ts';
import type { JobHandle, JobSpec, StepResult, StepSpec } from '../port.ts';
import { copyFolder } from './copy.ts';
import { checkEnvironment, initScript, type ResourceLimits } from './environment.ts';
import { buildHome, certificateEnv, writeEtc } from './etc.ts';
import { execute, type Execution } from './execute.ts';
import { extractTar } from './extract.ts';
import { openFilteredNetwork, type FilteredNetwork } from './network.ts';
import type { HostLimits, HostRunnerOptions } from './options.ts';
import { makeOutputPipes } from './output.ts';
import type { Owners } from './owner.ts';
import { identify } from './process.ts';
import { removeRecord, writeRecord } from './record.ts';
import { removeTree } from './remove.ts';
import { sandboxCommand } from './sandbox.ts';
import { cookieVariable, groupEnd, sandboxEnd } from './tree-end.ts';

/** What all jobs of one runner share. */
export type JobContext = {
  readonly options: HostRunnerOptions;
  readonly limits: HostLimits;
  /** `folder/jobs`. */
  readonly jobs: string;
  readonly owners: Owners;
  readonly root: boolean;
  /** File with the seccomp program; undefined where there is none for this architecture. */
  readonly seccomp: string | undefined;
};

const startMs = 600_000;

/** Makes the workspace and what surrounds it. Leaves nothing behind when it fails. */
export async function startJob(context: JobContext, spec: JobSpec, parent: AbortSignal): Promise<JobHandle> {
  const { jobs, options, limits, root } = context;
  if (!/^[A-Za-z0-9][A-Za-z0-9-]{0,99}$/.test(spec.id))
    throw new WaybillError('INVALID_INPUT', `${JSON.stringify(spec.id.slice(0, 100))} is no id for a job`);
  checkEnvironment(spec.env);
  const folder = join(jobs, spec.id);
  if (existsSync(folder)) throw new WaybillError('CONFLICT', `the job ${spec.id} exists already`);
  using deadline = withDeadline(parent, startMs, `starting the job ${spec.id}`);
  deadline.signal.throwIfAborted();

  await using started = new AsyncDisposableStack();
  const owner = context.owners.take();
  started.defer(() => context.owners.release(owner));
  const record = { id: spec.id, cookie: randomUUID(), processes: [] };
  writeRecord(jobs, record);
  started.defer(async () => {
    await removeTree(folder);
    removeRecord(jobs, spec.id);
  });
  mkdirSync(folder, 0o700);
  for (const name of ['workspace', 'home']) {
    mkdirSync(join(folder, name), 0o755);
    if (owner.separate) lchownSync(join(folder, name), owner.uid, owner.gid);
  }
  const etc = writeEtc(join(folder, 'etc'), owner, spec.network);
  const workspace = join(folder, 'workspace');
  const sizes = { maxBytes: limits.maxWorkspaceBytes, maxEntries: limits.maxWorkspaceEntries };
  const filtered = spec.network === 'filtered' && !options.unsafeNoSandbox;
  const parts = await Promise.allSettled([
    filtered ? openFilteredNetwork(root, options.allowAddresses, deadline.signal) : undefined,
    makeOutputPipes(folder, owner, deadline.signal),
    'tar' in spec.source
      ? extractTar(spec.source.tar, workspace, owner, sizes, deadline.signal)
      : copyFolder(spec.source.folder, workspace, owner, sizes, deadline.signal),
  ]);
  const network = parts[0].status === 'fulfilled' ? parts[0].value : undefined;
  if (network) started.use(network);
  for (const part of parts) if (part.status === 'rejected') throw deadline.signal.aborted ? deadline.signal.reason : part.reason;
  writeRecord(jobs, { ...record, processes: network?.processes ?? [] });

  const base = {
    PATH: options.path,
    HOME: options.unsafeNoSandbox ? join(folder, 'home') : buildHome,
    LANG: 'C.UTF-8',
    CI: 'true',
    TMPDIR: '/tmp',
    ...certificateEnv(),
    ...spec.env,
  };
  const command = options.unsafeNoSandbox
    ? undefined
    : sandboxCommand({
        owner,
        folder,
        etc,
        toolchains: options.toolchains,
        ...(network ? { enterNetwork: network.enter } : {}),
        seccomp: context.seccomp !== undefined,
      });
  const resources: ResourceLimits = { maxProcesses: limits.maxProcesses, maxFileBytes: limits.maxWorkspaceBytes };
  const execution = async (step: StepSpec): Promise<Execution & Disposable> =>
    command
      ? sandboxed(command, folder, initScript({ ...base, ...step.env }, resources), step.run, context.seccomp)
      : await plain(folder, { ...base, ...step.env, [cookieVariable]: record.cookie }, step.run, record.cookie);
  const owned = started.move();
  return jobHandle(context, { folder, record, network, execution, dispose: () => owned.disposeAsync() });
}

type Job = {
  readonly folder: string;
  readonly record: { readonly id: string; readonly cookie: string };
  readonly network: FilteredNetwork | undefined;
  execution(step: StepSpec): Promise<Execution & Disposable>;
  dispose(): Promise<void>;
};

function jobHandle({ options, limits, jobs }: JobContext, job: Job): JobHandle {
  const closing = new AbortController();
  let running: Promise<unknown> | undefined;
  let disposed: Promise<void> | undefined;
  const run = async (step: StepSpec, given: Parameters<JobHandle['step']>[1]): Promise<StepResult> => {
    using execution = await job.execution(step);
    return await execute(execution, {
      ...given,
      ...limits,
      signal: AbortSignal.any([given.signal, closing.signal]),
      clock: options.clock,
      onSpawn: (pid) => writeRecord(jobs, { ...job.record, processes: [identify(pid), ...(job.network?.processes ?? [])] }),
    });
  };
  return {
    workspace: join(job.folder, 'workspace'),
    async step(step, given) {
      if (disposed) throw new WaybillError('CONFLICT', `the job ${job.record.id} has ended`);
      if (running) throw new WaybillError('CONFLICT', `the job ${job.record.id} runs a step already`);
      const promise = run(step, given);
      running = promise;
      try {
        return await promise;
      } finally {
        running = undefined;
      }
    },
    [Symbol.asyncDispose]() {
      disposed ??= (async () => {
        closing.abort();
        await Promise.allSettled([running]);
        await job.dispose();
      })();
      return disposed;
    },
  };
}

function sandboxed(
  command: { readonly file: string; readonly args: readonly string[] },
  folder: string,
  init: string,
  script: string,
  seccomp: string | undefined,
): Execution & Disposable {
  const filter = openSync(seccomp ?? '/dev/null', 'r');
  return {
    ...command,
    env: {},
    cwd: '/',
    detached: false,
    descriptors: [filter, { text: init }, { text: script }],
    announces: true,
    folder,
    end: sandboxEnd,
    [Symbol.dispose]: () => closeSync(filter),
  };
}

async function plain(
  folder: string,
  env: Readonly<Record<string, string>>,
  script: string,
  cookie: string,
): Promise<Execution & Disposable> {
  checkEnvironment(env);
  const path = join(folder, 'step');
  await writeFile(path, script, { mode: 0o600 });
  return {
    file: '/bin/sh',
    args: ['-e', path],
    env,
    cwd: join(folder, 'workspace'),
    detached: true,
    descriptors: [],
    announces: false,
    folder,
    end: groupEnd(cookie),
    [Symbol.dispose]: () => undefined,
  };
}
