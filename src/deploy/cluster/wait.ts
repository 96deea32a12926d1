import { setTimeout as sleep } from 'node:timers/promises';
import { WaybillError, isWaybillError, messageOf } from '../../kernel/error.ts';
import type { Cluster } from '../../kube/cluster.ts';
import type { Applied, AppliedWorkload, CallOptions } from '../port.ts';
import { rolloutOf } from './rollout.ts';
import { readView } from './view.ts';
import { whyNotReady, type Why } from './why.ts';

export type WaitOptions = CallOptions & { readonly timeoutMs: number; onProgress?(line: string): void };

const pauseMs = 700;
/** How long something that hardly ever heals may last. */
const hardlyMs = 30_000;
const logLines = 10;
const maxFailures = 10;

/** Undefined when every workload is ready, else one sentence why not. */
export async function waitForRollout(
  cluster: Cluster,
  namespace: string,
  applied: Applied,
  options: WaitOptions,
): Promise<string | undefined> {
  const { signal, timeoutMs } = options;
  const end = performance.now() + timeoutMs;
  const waiting = new Map<AppliedWorkload, Waiting>(applied.workloads.map((workload) => [workload, { progress: '' }]));
  let failures = 0;
  for (;;) {
    try {
      for (const [workload, state] of waiting) {
        const outcome = await look(cluster, namespace, workload, state, options);
        if (outcome === 'ready') waiting.delete(workload);
        else if (outcome !== 'waiting') return outcome.why;
      }
      failures = 0;
    } catch (error) {
      // A node that restarts its API server must not fail a rollout that goes on without it.
      if (!isWaybillError(error, 'CLUSTER_FAILED', 'DEADLINE_EXCEEDED') || ++failures > maxFailures) throw error;
      options.onProgress?.(`the cluster does not answer: ${messageOf(error)}`);
    }
    if (waiting.size === 0) return undefined;
    if (performance.now() + pauseMs > end) return await timedOut(cluster, namespace, waiting, options);
    await pause(signal);
  }
}

type Waiting = { progress: string; why?: string; since?: number; last?: Why };

async function look(
  cluster: Cluster,
  namespace: string,
  workload: AppliedWorkload,
  state: Waiting,
  { signal, onProgress }: WaitOptions,
): Promise<'ready' | 'waiting' | { why: string }> {
  const { apiVersion, kind, name } = workload;
  const object = await cluster.get({ apiVersion, kind, name, namespace }, { signal });
  if (object === undefined) return { why: `${kind} ${name} was deleted while it was waited for` };
  const rollout = rolloutOf(object);
  if (rollout.progress !== state.progress) onProgress?.(`${kind} ${name}: ${rollout.progress}`);
  state.progress = rollout.progress;
  if (rollout.done) return 'ready';
  const found = whyNotReady(await readView(cluster, object, signal));
  if (found === undefined && rollout.failed === undefined) {
    delete state.why;
    delete state.last;
    return 'waiting';
  }
  if (found !== undefined && found.why !== state.why) onProgress?.(`${kind} ${name}: ${found.why}`);
  // Which pod it is may change; that something is wrong must last.
  if (state.why === undefined) state.since = performance.now();
  state.why = found?.why ?? rollout.failed ?? '';
  if (found !== undefined) state.last = found;
  const lasting = performance.now() - (state.since ?? 0) > hardlyMs;
  const given = rollout.failed !== undefined || found?.hope === 'never' || (found?.hope === 'hardly' && lasting);
  if (!given) return 'waiting';
  return { why: await sentence(cluster, namespace, workload, found, rollout.failed, signal) };
}

async function sentence(
  cluster: Cluster,
  namespace: string,
  { kind, name }: AppliedWorkload,
  found: Why | undefined,
  failed: string | undefined,
  signal: AbortSignal | undefined,
): Promise<string> {
  const why = `${kind} ${name} is not ready: ${found?.why ?? failed ?? 'unknown'}`;
  if (found?.logs === undefined) return why;
  const { pod, container, previous } = found.logs;
  try {
    const text = await cluster.podLogs({ namespace, name: pod, container }, { tail: logLines, previous, signal });
    const lines = text.trimEnd();
    return lines === '' ? `${why}; it printed nothing` : `${why}; its last lines:\n${lines}`;
  } catch (error) {
    return `${why} (its log cannot be read: ${messageOf(error)})`;
  }
}

async function timedOut(
  cluster: Cluster,
  namespace: string,
  waiting: ReadonlyMap<AppliedWorkload, Waiting>,
  options: WaitOptions,
): Promise<string> {
  const [first] = [...waiting].sort(([, a], [, b]) => Number(b.why !== undefined) - Number(a.why !== undefined));
  if (first === undefined) throw new WaybillError('INTERNAL', 'nothing was waited for');
  const [workload, state] = first;
  const told = await sentence(cluster, namespace, workload, state.last, state.why ?? state.progress, options.signal);
  return `${told} (waited ${Math.round(options.timeoutMs / 1000)} s)`;
}

async function pause(signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(pauseMs, undefined, signal ? { signal } : {});
  } catch (cause) {
    if (isWaybillError(signal?.reason)) throw signal.reason;
    throw new WaybillError('CANCELLED', 'waiting for the rollout was cancelled; what was applied stays', { cause });
  }
}
