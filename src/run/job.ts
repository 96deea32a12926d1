import { isWaybillError, messageOf } from '../kernel/error.ts';
import { withDeadline } from '../kernel/deadline.ts';
import type { PlannedJob, PlannedStage } from '../plan/plan.ts';
import type { JobHandle, Runner, StepResult } from '../runner/port.ts';
import type { Outcome } from './event.ts';
import type { RunContext } from './port.ts';

export type JobDeps = {
  readonly runner: Runner & { readonly sandboxed: boolean };
  source(context: RunContext, signal: AbortSignal): Promise<{ readonly tar: NodeJS.ReadableStream } | { readonly folder: string }>;
  /** Makes a job's id, unique on this host. */
  jobId(context: RunContext, stage: string, job: string): string;
};

/** Executes one job: a workspace of its own, its steps one after another, the first failure ends it. Writes to the journal what it saw. */
export async function runJob(
  context: RunContext,
  stage: PlannedStage,
  job: PlannedJob,
  deps: JobDeps,
  release: () => void,
): Promise<Outcome> {
  const at = { stage: stage.name, job: job.name };
  await context.emit({ type: 'job-started', ...at, runner: deps.runner.name, sandboxed: deps.runner.sandboxed });
  const finish = async (outcome: Outcome, reason?: string): Promise<Outcome> => {
    await context.emit({ type: 'job-finished', ...at, outcome, ...(reason === undefined ? {} : { reason }) });
    return outcome;
  };
  using deadline = withDeadline(context.signal, job.timeoutMs, `job ${job.name}`);
  let handle: JobHandle | undefined;
  try {
    const isolation = await deps.runner.isolation();
    if (!isolation.ok) return await finish('failed', `unreviewed code is not run without isolation: ${isolation.reason}`);
    handle = await deps.runner.start(
      {
        id: deps.jobId(context, stage.name, job.name),
        source: await deps.source(context, deadline.signal),
        env: job.env,
        network: job.network,
      },
      deadline.signal,
    );
    const until = performance.now() + job.timeoutMs;
    for (const [index, step] of job.steps.entries()) {
      context.signal.throwIfAborted();
      await context.emit({ type: 'step-started', ...at, step: index });
      context.log('waybill', `$ ${step.run.trimEnd().replaceAll('\n', '\n$ ').split('\n')[0] ?? ''}`);
      const result = await handle.step(
        { run: step.run, env: step.env },
        {
          signal: context.signal,
          timeoutMs: Math.max(1, Math.ceil(until - performance.now())),
          onLine: (line) => context.log(line.stream, line.text),
        },
      );
      const outcome = outcomeOf(result);
      const reason = result.status === 'passed' ? undefined : result.reason;
      await context.emit({
        type: 'step-finished',
        ...at,
        step: index,
        outcome,
        exitCode: result.exitCode,
        ...(reason === undefined ? {} : { reason }),
      });
      if (outcome !== 'passed') {
        context.log('waybill', `step ${index + 1} ${result.status}: ${reason ?? ''}`);
        return await finish(outcome, `step ${index + 1} (${step.name}): ${reason ?? result.status}`);
      }
    }
    return await finish('passed');
  } catch (error) {
    if (context.signal.aborted) return await finish('cancelled', messageOf(context.signal.reason));
    const reason = isWaybillError(error) ? `${error.message}. ${error.fix}` : messageOf(error);
    context.log('waybill', reason);
    return await finish('failed', reason);
  } finally {
    // The slot is free for the next job while the workspace is removed.
    release();
    await handle?.[Symbol.asyncDispose]();
  }
}

function outcomeOf(result: StepResult): Outcome {
  return result.status === 'passed' ? 'passed' : result.status === 'cancelled' ? 'cancelled' : 'failed';
}
