import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { Clock } from '../../kernel/clock.ts';
import { WaybillError, messageOf } from '../../kernel/error.ts';
import type { OutputLine, StepResult } from '../port.ts';
import { resultOfExit } from './exit.ts';
import { lineSplitter } from './lines.ts';
import { openOutputPipe, type StreamName } from './output.ts';
import { endedWithin } from './process.ts';

/** How a kind of process tree is ended: `ask` lets it clean up, `kill` returns when nothing of it runs any more. */
export type TreeEnd = { ask(child: ChildProcess): void; kill(child: ChildProcess): Promise<void> };

export type Execution = {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly detached: boolean;
  /** What follows descriptors 0–2: a number to hand down, or text that is written to the child's end. */
  readonly descriptors: readonly (number | { readonly text: string })[];
  /** True when the child writes to the descriptor after those once everything that is ours succeeded. */
  readonly announces: boolean;
  /** Folder with the job's output pipes. */
  readonly folder: string;
  readonly end: TreeEnd;
};

export type ExecutionOptions = {
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly maxLineBytes: number;
  readonly maxOutputBytes: number;
  readonly graceMs: number;
  onLine(line: OutputLine): void;
  /** Called with the process id as soon as there is one. */
  onSpawn(pid: number): void;
};

type Stop = { readonly result: StepResult } | { readonly error: unknown };

/** After the tree is dead its pipes have ended; this is for kernels that take their time. */
const drainMs = 5000;

/**
 * Runs one child to its end: lines out, one result, nothing left behind. Own `spawn` and not execa: descriptors beyond
 * the third, named pipes, and 1,000 steps that must not cost more than they are.
 * @throws WaybillError INTERNAL when the child could not be set up, or what `onLine` throws
 */
export async function execute(execution: Execution, options: ExecutionOptions): Promise<StepResult> {
  if (options.signal.aborted) return cancelled;
  const pipes = (['stdout', 'stderr'] as const).map((stream) => ({ stream, ...openOutputPipe(execution.folder, stream) }));
  const [out, err] = pipes.map(({ write }) => write);
  const extra = execution.descriptors.map((given) => (typeof given === 'number' ? given : ('pipe' as const)));
  const stdio: StdioOptions = ['ignore', out, err, ...extra, ...(execution.announces ? ['pipe' as const] : [])];
  const { file, args, env, cwd, detached } = execution;
  let child: ChildProcess;
  try {
    child = spawn(file, args, { env, cwd, detached, stdio });
  } catch (error) {
    for (const { read } of pipes) read.destroy();
    throw new WaybillError('INTERNAL', `${file} could not be started: ${messageOf(error)}`, { cause: error });
  } finally {
    for (const pipe of pipes) pipe.closeWrite();
  }
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  exited.catch(() => undefined); // awaited below; must not count as unhandled before that

  const { promise: stopped, resolve: stop } = Promise.withResolvers<Stop>();
  const deadline = setTimeout(() => stop({ result: timedOut(options.timeoutMs) }), options.timeoutMs);
  const onAbort = (): void => stop({ result: cancelled });
  options.signal.addEventListener('abort', onAbort);
  try {
    const lastWords: string[] = [];
    const allowance = { left: options.maxOutputBytes };
    const drained = Promise.all(pipes.map(({ stream, read }) => collect(read, stream, options, lastWords, stop, allowance)));
    const started = execution.announces ? announcement(child, 3 + extra.length) : Promise.resolve(true);
    try {
      if (child.pid !== undefined) options.onSpawn(child.pid);
      feed(child, execution.descriptors);
    } catch (error) {
      stop({ error });
    }
    const first = await Promise.race([exited, stopped]);
    if (!Array.isArray(first)) await endTree(child, exited, execution.end, options.graceMs, 'error' in first);
    else await execution.end.kill(child);
    await endedWithin(drained, drainMs);
    if (!Array.isArray(first)) {
      if ('error' in first) throw first.error;
      return first.result;
    }
    if (!(await started))
      throw new WaybillError('INTERNAL', `the sandbox could not be set up: ${lastWords.join(' ') || `exit ${first[0] ?? first[1]}`}`);
    const late = await Promise.race([stopped, Promise.resolve(undefined)]);
    if (late && 'error' in late) throw late.error;
    if (late && late.result.status === 'failed') return late.result; // too much output, found after the end
    return resultOfExit(...first);
  } catch (error) {
    if (error instanceof WaybillError || child.pid !== undefined) throw error;
    throw new WaybillError('INTERNAL', `${file} could not be started: ${messageOf(error)}`, { cause: error });
  } finally {
    clearTimeout(deadline);
    options.signal.removeEventListener('abort', onAbort);
    for (const { read } of pipes) read.destroy();
    for (const stream of child.stdio.slice(3)) stream?.destroy();
  }
}

const cancelled: StepResult = { status: 'cancelled', exitCode: null, reason: 'cancelled' };
const timedOut = (ms: number): StepResult => ({ status: 'timed-out', exitCode: null, reason: `took longer than ${ms} ms` });

async function endTree(child: ChildProcess, exited: Promise<unknown>, end: TreeEnd, graceMs: number, now: boolean): Promise<void> {
  if (!now && graceMs > 0) {
    end.ask(child);
    await endedWithin(exited, graceMs);
  }
  await end.kill(child);
  await exited;
}

async function collect(
  read: Readable,
  stream: StreamName,
  options: ExecutionOptions,
  lastWords: string[],
  stop: (reason: Stop) => void,
  allowance: { left: number },
): Promise<void> {
  let at = options.clock.now();
  let over = false;
  const splitter = lineSplitter(options.maxLineBytes, (text) => {
    if (lastWords.length < 5) lastWords.push(text.slice(0, 500));
    options.onLine({ stream, text, at });
  });
  const guarded = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      over = true;
      stop({ error });
    }
  };
  read.on('data', (chunk: Buffer) => {
    if (over) return;
    at = options.clock.now();
    allowance.left -= chunk.length;
    if (allowance.left < 0) {
      over = true;
      stop({ result: { status: 'failed', exitCode: null, reason: `wrote more than ${options.maxOutputBytes} bytes of output` } });
      return;
    }
    guarded(() => splitter.write(chunk));
  });
  read.on('error', (error) => stop({ error }));
  await new Promise((resolve) => read.once('close', resolve));
  if (!over) guarded(() => splitter.end());
}

/** Resolves true when the child wrote to `descriptor`, false when it ended before. */
async function announcement(child: ChildProcess, descriptor: number): Promise<boolean> {
  const pipe = child.stdio[descriptor] as Readable | null | undefined;
  if (!pipe) return false;
  let said = false;
  pipe.on('data', () => (said = true));
  pipe.on('error', () => undefined); // its end counts, whatever ended it
  await once(pipe, 'close').catch(() => undefined);
  return said;
}

function feed(child: ChildProcess, descriptors: Execution['descriptors']): void {
  for (const [index, given] of descriptors.entries()) {
    if (typeof given === 'number') continue;
    const pipe = child.stdio[3 + index] as Writable | null | undefined;
    pipe?.on('error', () => undefined); // a child that ends early does not read it; its exit tells
    pipe?.end(given.text);
  }
}
