import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { WaybillError, isWaybillError, messageOf } from '../../kernel/error.ts';
import type { Isolation, JobHandle, JobSpec } from '../port.ts';
import { startJob, type JobContext } from './job.ts';
import { defaultLimits, type HostLimits, type HostRunner, type HostRunnerOptions } from './options.ts';
import { ownUidMap, Owners } from './owner.ts';
import { probeIsolation } from './probe.ts';
import { reapJobs } from './reap.ts';
import { parseCidr } from './routes.ts';
import { seccompProgram } from './seccomp.ts';

/**
 * The runner that executes jobs on this host, each step in a bubblewrap sandbox of its own. Opening it starts nothing;
 * `reap()` should follow, before the first job.
 * @throws WaybillError INVALID_INPUT for options that cannot be meant
 */
export async function openHostRunner(given: HostRunnerOptions): Promise<HostRunner> {
  for (const range of given.allowAddresses) parseCidr(range);
  for (const path of given.toolchains) {
    if (!isAbsolute(path) || path === '/' || !existsSync(path))
      throw new WaybillError('INVALID_INPUT', `the toolchain ${path} is no folder of this host`);
  }
  mkdirSync(join(given.folder, 'jobs'), { recursive: true, mode: 0o700 });
  const folder = realpathSync(given.folder);
  const options = { ...given, folder };
  const user = { uid: process.geteuid?.() ?? -1, gid: process.getegid?.() ?? -1 };
  const context: JobContext = {
    options,
    limits: withinHardLimits({ ...defaultLimits, ...given.limits }),
    jobs: join(folder, 'jobs'),
    owners: new Owners(folder, options.unsafeNoSandbox ? { ...user, uid: -1 } : user, ownUidMap()),
    root: user.uid === 0,
    seccomp: writeFilter(folder),
  };
  let isolation: Promise<Isolation> | undefined;
  const active = new Map<string, JobHandle>();
  const starting = new Set<string>();
  const probes = new Set<string>();
  const closing = new AbortController();

  const probe = async (): Promise<Isolation> => {
    const asked = (isolation ??= probeIsolation(context, probes));
    const found = await asked;
    if (!found.ok && isolation === asked) isolation = undefined; // asked again next time: what is missing may be installed by then
    return found;
  };
  const start = async (spec: JobSpec, signal: AbortSignal): Promise<JobHandle> => {
    const works = await probe();
    if (!works.ok)
      throw new WaybillError('UNSUPPORTED', `jobs cannot be isolated on this host: ${works.reason}`, {
        fix: 'Make isolation work as said above.',
      });
    if (spec.network === 'filtered' && !works.network) {
      throw new WaybillError('UNSUPPORTED', `a filtered network is not possible on this host: ${works.details.join('; ')}`, {
        fix: 'Make it work as said above, or give the job `network: none`.',
      });
    }
    closing.signal.throwIfAborted();
    if (starting.has(spec.id) || active.has(spec.id)) throw new WaybillError('CONFLICT', `the job ${spec.id} exists already`);
    starting.add(spec.id);
    try {
      const job = await startJob(context, spec, AbortSignal.any([signal, closing.signal]));
      const handle: JobHandle = {
        workspace: job.workspace,
        step: (step, how) => job.step(step, how),
        async [Symbol.asyncDispose]() {
          await job[Symbol.asyncDispose]();
          active.delete(spec.id);
        },
      };
      active.set(spec.id, handle);
      return handle;
    } catch (error) {
      if (signal.aborted && !isWaybillError(error))
        throw new WaybillError('CANCELLED', `the start of the job ${spec.id}`, { cause: error });
      throw error;
    } finally {
      starting.delete(spec.id);
    }
  };

  return {
    name: 'host',
    sandboxed: !options.unsafeNoSandbox,
    isolation: probe,
    start,
    async reap() {
      const ended = await reapJobs(context.jobs, (id) => active.has(id) || starting.has(id) || probes.has(id));
      if (ended.length > 0) options.logger.warn({ jobs: ended }, 'jobs of an earlier process were ended');
      return ended;
    },
    async [Symbol.asyncDispose]() {
      closing.abort(new WaybillError('CANCELLED', 'the runner is closed'));
      const ends = await Promise.allSettled([...active.values()].map((job) => job[Symbol.asyncDispose]()));
      for (const end of ends)
        if (end.status === 'rejected') options.logger.error({ error: messageOf(end.reason) }, 'a job could not be removed');
    },
  };
}

/** The seccomp program as a file in the state folder, which bwrap reads; undefined where there is none. */
function writeFilter(folder: string): string | undefined {
  const program = seccompProgram(process.arch);
  if (!program || process.platform !== 'linux') return undefined;
  const path = join(folder, 'seccomp.bpf');
  writeFileSync(path, program, { mode: 0o600 });
  return path;
}

/** A limit above the one that this process has cannot be set, and would not hold. */
function withinHardLimits(limits: HostLimits): HostLimits {
  const hard = /^Max processes +\S+ +(\d+) /m.exec(readLimits())?.[1];
  return hard === undefined ? limits : { ...limits, maxProcesses: Math.min(limits.maxProcesses, Number(hard)) };
}

function readLimits(): string {
  return existsSync('/proc/self/limits') ? readFileSync('/proc/self/limits', 'utf8') : '';
}
