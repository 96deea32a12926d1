import { setTimeout as sleep } from 'node:timers/promises';
import { WaybillError, isWaybillError } from '../../kernel/error.ts';
import type { WaitOptions } from '../cluster/wait.ts';
import type { Engine } from './engine.ts';
import { inspectContainers, type FoundContainer } from './pods.ts';
import { probe } from './probe.ts';
import type { PodMeta } from './translate.ts';

const pauseMs = 250;
/** A container without a readiness probe counts as ready when it has run for this long. */
const steadyMs = 1500;
const logLines = 10;

/** Undefined when the pod runs and its probes pass, else one sentence why not. */
export async function waitForPod(
  podman: Engine,
  id: string,
  meta: PodMeta,
  end: number,
  options: WaitOptions,
): Promise<string | undefined> {
  const { signal } = options;
  const began = performance.now();
  const pending = new Map(meta.probes.map((entry) => [entry, began + entry.initialDelayMs]));
  let told = '';
  for (;;) {
    const containers = await inspectContainers(podman, meta.containers, options);
    const broken = containers.find((container) => isBroken(container, meta.stays));
    if (broken) return await crash(podman, meta, broken, signal);
    const ended = containers.every((container) => container.status === 'exited');
    if (!meta.stays && ended) return undefined;
    const running = containers.every((container) => container.status === 'running');
    for (const [entry, notBefore] of pending) {
      if (!running || performance.now() < notBefore) continue;
      const saw = await probe(podman, id, entry, signal);
      if (saw === undefined) pending.delete(entry);
      else {
        const line = `${meta.workload}: container ${entry.container} runs but is not ready: ${saw}`;
        if (line !== told) options.onProgress?.(line);
        told = line;
        // While it starts, asking often costs little and makes deploys fast.
        pending.set(entry, performance.now() + Math.min(entry.periodMs, 500));
      }
    }
    const steady = meta.probes.length > 0 || performance.now() - began > steadyMs;
    if (running && pending.size === 0 && steady) return undefined;
    if (performance.now() + pauseMs > end)
      return `${told || `${meta.workload} is not running: ${containers.map((container) => container.status).join(', ')}`} (waited ${Math.round(options.timeoutMs / 1000)} s)`;
    await pause(signal);
  }
}

/** podman restarts without a pause, so one restart tells as much as five. */
function isBroken(container: FoundContainer, stays: boolean): boolean {
  if (container.restarts > 0) return true;
  if (container.status === 'exited') return stays || container.exitCode !== 0;
  return container.error !== '' && container.status !== 'running';
}

async function crash(podman: Engine, meta: PodMeta, container: FoundContainer, signal: AbortSignal | undefined): Promise<string> {
  const short = container.name;
  if (container.error !== '') return `${meta.workload} is not ready: container ${short} cannot be started: ${container.error}`;
  const code = await exitCode(podman, container, signal);
  const how = container.restarts > 0 ? 'crashes again and again' : 'ended';
  const log = (await podman.run(['logs', '--tail', String(logLines), container.name], { signal, timeoutMs: 10_000 })).trimEnd();
  const exit = code === 0 && container.restarts > 0 ? '' : `: exit code ${code}`;
  return `${meta.workload} is not ready: container ${short} ${how}${exit}; ${log === '' ? 'it printed nothing' : `its last lines:\n${log}`}`;
}

/** While podman restarts a container it shows no exit code: look again until it has ended once more. */
async function exitCode(podman: Engine, container: FoundContainer, signal: AbortSignal | undefined): Promise<number> {
  let now: FoundContainer | undefined = container;
  for (let tries = 0; tries < 20 && now !== undefined && now.exitCode === 0; tries++) {
    await pause(signal, 50);
    [now] = await inspectContainers(podman, [container.name], { signal });
  }
  return now?.exitCode ?? 0;
}

async function pause(signal: AbortSignal | undefined, milliseconds = pauseMs): Promise<void> {
  try {
    await sleep(milliseconds, undefined, signal ? { signal } : {});
  } catch (cause) {
    if (isWaybillError(signal?.reason)) throw signal.reason;
    throw new WaybillError('CANCELLED', 'waiting for the pod was cancelled', { cause });
  }
}
