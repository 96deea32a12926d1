import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process that cannot be mistaken for a later one with the same number. `start` is field 22 of /proc/PID/stat; '' where there is no /proc. */
export type ProcessIdentity = { readonly pid: number; readonly start: string };

type Stat = { readonly state: string; readonly parent: number; readonly start: string };

/** proc_pid_stat(5). The name in parentheses may hold anything, so the fields begin behind the last one. */
function statOf(pid: number): Stat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // ended, or no /proc here
  }
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', parent: Number(fields[1]), start: fields[19] ?? '' };
}

export function identify(pid: number): ProcessIdentity {
  return { pid, start: statOf(pid)?.start ?? '' };
}

/** False for a zombie: it runs no code and holds nothing. */
export function isRunning(process: ProcessIdentity): boolean {
  const stat = statOf(process.pid);
  return stat !== undefined && process.start !== '' && stat.start === process.start && !'ZX'.includes(stat.state);
}

export function allProcesses(): number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    return []; // no /proc here: the caller falls back to process groups
  }
}

/** Children, their children …, as host process ids, nearest first. */
export function descendantsOf(root: number): ProcessIdentity[] {
  const children = new Map<number, ProcessIdentity[]>();
  for (const pid of allProcesses()) {
    const stat = statOf(pid);
    if (!stat) continue;
    const siblings = children.get(stat.parent);
    if (siblings) siblings.push({ pid, start: stat.start });
    else children.set(stat.parent, [{ pid, start: stat.start }]);
  }
  const found = [...(children.get(root) ?? [])];
  for (const process of found) found.push(...(children.get(process.pid) ?? []));
  return found;
}

/** True when the signal was delivered; false when there is no such process (group) any more. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ESRCH' || code === 'EPERM') return false; // EPERM: the number belongs to somebody else by now
    throw error;
  }
}

/** Kills those that still are who they were, and waits until they are gone. Returns those that ran. */
export async function killAll(processes: readonly ProcessIdentity[], waitMs = 5000): Promise<ProcessIdentity[]> {
  const running = processes.filter(isRunning);
  for (const { pid } of running) signalProcess(pid, 'SIGKILL');
  await waitUntilGone(running, waitMs);
  return running;
}

/** Resolves true when none of them runs any more, false after `waitMs`. */
export async function waitUntilGone(processes: readonly ProcessIdentity[], waitMs: number): Promise<boolean> {
  for (let waited = 0, pause = 1; processes.some(isRunning); waited += pause, pause = Math.min(pause * 2, 50)) {
    if (waited >= waitMs) return false;
    await sleep(pause);
  }
  return true;
}

/** Resolves when `promise` has ended, however, or after `milliseconds`. */
export async function endedWithin(promise: Promise<unknown>, milliseconds: number): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  await Promise.race([
    promise.then(
      () => resolve(),
      () => resolve(),
    ),
    late,
  ]);
  clearTimeout(timer);
}
