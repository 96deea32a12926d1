import { WaybillError, isWaybillError, messageOf } from '../kernel/error.ts';
import type { Clock } from '../kernel/clock.ts';
import type { RunId } from '../kernel/ids.ts';
import type { Logger } from '../kernel/logger.ts';
import type { PlannedJob } from '../plan/plan.ts';
import type { Runner } from '../runner/port.ts';
import { decide, type Work } from './decide.ts';
import type { Outcome, RunCreated } from './event.ts';
import { runJob, type JobDeps } from './job.ts';
import type { Journal } from './journal.ts';
import { verdictOf } from './machine.ts';
import type { LogName, Logs } from './logs.ts';
import type { Performers, RunContext } from './port.ts';
import { Semaphore } from './semaphore.ts';
import type { RunState } from './state.ts';
import { isFinal } from './status.ts';

export type EngineDeps = {
  readonly journal: Journal;
  readonly logs: Logs;
  readonly runner: Runner & { readonly sandboxed: boolean };
  readonly performers: Performers;
  readonly source: JobDeps['source'];
  readonly clock: Clock;
  readonly logger: Logger;
  /** Jobs and image builds that run at once on this host. */
  readonly slots: number;
};

/** Executes plans. Every decision comes from the journal (`decide`), every effect goes back into it. */
export type Engine = AsyncDisposable & {
  submit(head: RunCreated): Promise<RunId>;
  /** Resolves when the run has ended. */
  wait(run: RunId): Promise<RunState>;
  cancel(run: RunId, by: string, reason: string): Promise<void>;
  /**
   * After a start: ends what an earlier process left behind, reports its open runs as interrupted, and starts each again as a run that
   * replaces it (what had passed on the same tree is reused). Returns old → new.
   */
  recover(open: readonly RunId[]): Promise<ReadonlyMap<RunId, RunId>>;
};

/** A run that takes the server down with it must not do so for ever. */
const attemptsAtMost = 3;

export function createEngine(deps: EngineDeps): Engine {
  const slots = new Semaphore(deps.slots);
  const live = new Map<RunId, { controller: AbortController; done: Promise<void> }>();
  let closing = false;

  const launch = (run: RunId, head: RunCreated) => {
    const controller = new AbortController();
    const done = drive(deps, slots, run, head, controller.signal)
      .catch((error: unknown) => deps.logger.error({ run, error: messageOf(error) }, 'a run could not be driven to its end'))
      .finally(() => live.delete(run));
    live.set(run, { controller, done });
  };

  const submit = async (head: RunCreated) => {
    if (closing) throw new WaybillError('CONFLICT', 'the server is stopping', { fix: 'Try again in a moment.' });
    const run = await deps.journal.create(head);
    launch(run, head);
    return run;
  };

  return {
    submit,
    async wait(run) {
      await live.get(run)?.done;
      return deps.journal.state(run);
    },
    async cancel(run, by, reason) {
      const entry = live.get(run);
      if (!entry) {
        const state = await deps.journal.state(run);
        if (isFinal(state.status)) throw new WaybillError('CONFLICT', `run ${run} has already ended: ${state.status}`);
        throw new WaybillError('CONFLICT', `run ${run} is not driven by this server`);
      }
      entry.controller.abort(new Cancelled(by, reason));
      await entry.done;
    },
    async recover(open) {
      const ended = await deps.runner.reap();
      if (ended.length > 0) deps.logger.warn({ ended }, 'left-over jobs of an earlier process were ended');
      const replaced = new Map<RunId, RunId>();
      for (const run of open) {
        const state = await deps.journal.append(run, { type: 'run-interrupted', reason: 'the server stopped while it was running' });
        const attempt = (state.head.attempt ?? 1) + 1;
        if (attempt > attemptsAtMost) {
          deps.logger.error({ run, attempt }, 'a run was interrupted too often and is not started again');
          continue;
        }
        const bases = state.bases.length > 0 ? { bases: state.bases } : {};
        const next = await submit({ ...state.head, ...bases, replaces: run, attempt });
        deps.logger.warn({ run, next }, 'an interrupted run was started again');
        replaced.set(run, next);
      }
      return replaced;
    },
    async [Symbol.asyncDispose]() {
      closing = true;
      const all = [...live.values()];
      for (const { controller } of all) controller.abort(new Stopping());
      await Promise.all(all.map((entry) => entry.done));
    },
  };
}

class Cancelled extends Error {
  readonly by: string;
  constructor(by: string, reason: string) {
    super(reason);
    this.by = by;
  }
}
class Stopping extends Error {
  constructor() {
    super('the server is stopping');
  }
}

async function drive(deps: EngineDeps, slots: Semaphore, run: RunId, head: RunCreated, signal: AbortSignal): Promise<void> {
  const pending = new Set<Promise<void>>();
  const begun = new Set<string>();
  const emit: RunContext['emit'] = (event) => deps.journal.append(run, event);
  try {
    for (;;) {
      if (signal.aborted) break;
      const work = decide(await deps.journal.state(run)).filter((item) => !begun.has(keyOf(item)));
      if (work.some((item) => item.do === 'finish')) break;
      for (const item of work) {
        begun.add(keyOf(item));
        const task: Promise<void> = perform(deps, slots, run, head, item, signal).finally(() => pending.delete(task));
        pending.add(task);
      }
      if (pending.size === 0) throw new WaybillError('INTERNAL', `run ${run} has nothing to do and is not finished`);
      await Promise.race(pending);
    }
  } catch (error) {
    deps.logger.error({ run, error: messageOf(error) }, 'a run failed for a reason of its own');
    await Promise.allSettled(pending);
    await emit({ type: 'run-interrupted', reason: messageOf(error) });
    await deps.performers.finished(run, head, 'interrupted');
    return;
  }
  await Promise.allSettled(pending);
  // A run that came to its end before the abort was seen has ended as it did; one whose last part was cut off has not.
  const last = await deps.journal.state(run);
  const undone = verdictOf(last) === 'cancelled' || !decide(last).some((item) => item.do === 'finish');
  // A server that stops leaves the run open; the next start recovers it.
  if (undone && signal.reason instanceof Stopping) return;
  const state =
    undone && signal.reason instanceof Cancelled
      ? await emit({ type: 'run-cancelled', by: signal.reason.by, reason: signal.reason.message })
      : await emit({ type: 'run-finished', ...(head.refused === undefined ? {} : { reason: head.refused }) });
  await deps.performers.finished(run, head, state.status as Outcome);
}

const keyOf = (work: Work): string =>
  work.do === 'stage' || work.do === 'skip'
    ? `stage ${work.stage}`
    : work.do === 'scan'
      ? `scan ${work.scan}`
      : work.do === 'image'
        ? `image ${work.image}`
        : work.do === 'deploy'
          ? `deploy ${work.environment}`
          : 'finish';

async function perform(deps: EngineDeps, slots: Semaphore, run: RunId, head: RunCreated, work: Work, signal: AbortSignal): Promise<void> {
  const contextFor = async (name: LogName, until = signal): Promise<RunContext & AsyncDisposable> => {
    const writer = await deps.logs.writer(run, name);
    return {
      run,
      head,
      signal: until,
      emit: (event) => deps.journal.append(run, event),
      state: () => deps.journal.state(run),
      log: (stream, text) => {
        for (const line of text.split('\n')) writer.line(stream, line, deps.clock.now());
      },
      [Symbol.asyncDispose]: () => writer[Symbol.asyncDispose](),
    };
  };
  const emit: RunContext['emit'] = (event) => deps.journal.append(run, event);
  const { plan } = head;

  switch (work.do) {
    case 'finish':
      return;
    case 'skip':
      await emit({ type: 'stage-skipped', stage: work.stage, reason: work.reason });
      return;
    case 'stage': {
      const stage = found(plan.stages.find((s) => s.name === work.stage));
      const reused = await deps.performers.reuse(head, stage);
      if (reused !== undefined) {
        await emit({ type: 'stage-reused', stage: stage.name, executedIn: reused });
        return;
      }
      // A job whose result cannot be kept (a full disk) ends the others too: none goes on behind the back of a run that is over.
      const broken = new AbortController();
      const until = AbortSignal.any([signal, broken.signal]);
      const execute = async (job: PlannedJob, index: number) => {
        using slot = await slots.acquire(until).catch(() => undefined);
        if (!slot) return;
        await using context = await contextFor(['stage', stage.name, job.name], until);
        const jobId = () => `r${run}-${plan.stages.indexOf(stage)}-${index}`;
        await runJob(context, stage, job, { runner: deps.runner, source: deps.source, jobId }, () => slot[Symbol.dispose]());
      };
      const jobs = await Promise.allSettled(
        stage.jobs.map((job, index) =>
          execute(job, index).catch((error: unknown) => {
            broken.abort(error);
            throw error;
          }),
        ),
      );
      const unkept = jobs.find((job) => job.status === 'rejected');
      if (unkept) throw unkept.reason;
      const ended = (await deps.journal.state(run)).stages.find((s) => s.name === stage.name);
      if (ended?.status === 'passed') await deps.performers.stagePassed(run, head, stage);
      return;
    }
    case 'scan': {
      await emit({ type: 'scan-started', scan: work.scan });
      await part(await contextFor(['scan', work.scan]), signal, {
        run: (context) => deps.performers.scan(context, work.scan, found(plan.scans)[work.scan]),
        finish: (outcome, reason) => emit({ type: 'scan-finished', scan: work.scan, outcome, ...(reason === undefined ? {} : { reason }) }),
      });
      return;
    }
    case 'image': {
      await emit({ type: 'image-started', image: work.image });
      await part(await contextFor(['image', work.image]), signal, {
        run: (context) => deps.performers.image(context, found(plan.images.find((i) => i.name === work.image))),
        finish: (outcome, reason) =>
          emit({ type: 'image-finished', image: work.image, outcome, ...(reason === undefined ? {} : { reason }) }),
      });
      return;
    }
    case 'deploy': {
      await emit({ type: 'deploy-started', environment: work.environment });
      await part(await contextFor(['deploy', work.environment]), signal, {
        run: (context) => deps.performers.deploy(context, found(plan.deploys.find((d) => d.environment === work.environment))),
        finish: (outcome, reason, result) =>
          emit({
            type: 'deploy-finished',
            environment: work.environment,
            outcome,
            ...(reason === undefined ? {} : { reason }),
            ...(result === undefined ? {} : { endpoints: result.endpoints }),
          }),
      });
    }
  }
}

async function part<T>(
  context: RunContext & AsyncDisposable,
  signal: AbortSignal,
  work: { run(context: RunContext): Promise<T>; finish(outcome: Outcome, reason?: string, result?: T): Promise<unknown> },
): Promise<void> {
  await using open = context;
  try {
    const result = await work.run(open);
    await work.finish('passed', undefined, result);
  } catch (error) {
    const cancelled = signal.aborted;
    const reason = cancelled ? messageOf(signal.reason) : isWaybillError(error) ? `${error.message}. ${error.fix}` : messageOf(error);
    open.log('waybill', reason);
    await work.finish(cancelled ? 'cancelled' : 'failed', reason);
  }
}

function found<T>(item: T | undefined): T {
  if (item === undefined) throw new WaybillError('INTERNAL', 'a part of the plan is gone');
  return item;
}
