import { readFileSync } from 'node:fs';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { allProcesses, descendantsOf, endedWithin, identify, killAll, signalProcess, type ProcessIdentity } from './process.ts';
import type { TreeEnd } from './execute.ts';

const bwrapMs = 1000;

/**
 * `child` is bwrap, its one child is process 1 of the step's process namespace, bwrap again or the step's shell. When that dies the kernel kills the rest, and
 * bwrap ends after the last of them.
 */
export const sandboxEnd: TreeEnd = {
  ask(child) {
    if (child.pid === undefined) return;
    for (const { pid } of descendantsOf(child.pid)) signalProcess(pid, 'SIGTERM');
  },
  async kill(child) {
    if (child.pid === undefined || hasEnded(child)) return;
    const [init] = descendantsOf(child.pid);
    const ended = once(child, 'exit');
    if (init) signalProcess(init.pid, 'SIGKILL');
    else child.kill('SIGKILL');
    await endedWithin(ended, bwrapMs);
    if (!hasEnded(child)) child.kill('SIGKILL');
    if (init) await killAll([init]);
  },
};

/** Without a sandbox: the process group, and whoever left it but still has the job's cookie in his environment. */
export function groupEnd(cookie: string): TreeEnd {
  return {
    ask(child) {
      if (child.pid !== undefined) signalProcess(-child.pid, 'SIGTERM');
    },
    async kill(child) {
      if (child.pid !== undefined) signalProcess(-child.pid, 'SIGKILL');
      // A process may fork between being found and being killed: look until nobody is left.
      for (let round = 0; round < 20; round += 1) {
        if ((await killAll(processesWithCookie(cookie))).length === 0) return;
      }
    },
  };
}

export const cookieVariable = 'WAYBILL_JOB';

/** Processes whose first environment had the cookie. Hostile code can hide from this: it is for runs without a sandbox only. */
export function processesWithCookie(cookie: string): ProcessIdentity[] {
  const wanted = Buffer.from(`${cookieVariable}=${cookie}\0`);
  return allProcesses()
    .filter((pid) => pid !== process.pid && environmentOf(pid).includes(wanted))
    .map(identify);
}

function environmentOf(pid: number): Buffer {
  try {
    return readFileSync(`/proc/${pid}/environ`);
  } catch {
    return Buffer.alloc(0); // ended, or another user's
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
