import { execa } from 'execa';
import { WaybillError, isWaybillError, messageOf } from '../../kernel/error.ts';

export type EngineCall = {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly signal: AbortSignal;
  /** Each line of both streams; without it they are collected. */
  readonly onLine?: (line: string) => void;
};

const maxOutput = 4 * 1024 * 1024;
const mostLines = 200_000;
const longestLine = 8192;

/**
 * Runs a program of an engine to its end, without a shell and with an environment of its own.
 * @returns what it wrote to its standard output
 * @throws WaybillError BUILD_FAILED with the end of what it said, MISSING_PROGRAM, CANCELLED, LIMIT_EXCEEDED
 */
export async function runEngine(command: readonly string[], call: EngineCall): Promise<string> {
  const [program = '', ...args] = command;
  const { signal, onLine } = call;
  const last: string[] = [];
  let lines = 0;
  const child = execa(program, args, {
    env: call.env,
    extendEnv: false,
    cwd: call.cwd,
    cancelSignal: signal,
    forceKillAfterDelay: 3000,
    stdin: 'ignore',
    all: true,
    buffer: { stdout: onLine === undefined, stderr: false, all: false },
    maxBuffer: maxOutput,
    reject: false,
  });
  const reading = (async () => {
    for await (const text of child.iterable({ from: 'all' })) {
      if (++lines > mostLines) child.kill('SIGKILL');
      if (lines > mostLines) throw new WaybillError('LIMIT_EXCEEDED', `${program} wrote more than ${mostLines} lines`);
      const line = String(text).slice(0, longestLine);
      last.push(line);
      if (last.length > 20) last.shift();
      onLine?.(line);
    }
  })();
  const [result, read] = await Promise.allSettled([child, reading]);
  if (signal.aborted) {
    const reason: unknown = signal.reason;
    throw isWaybillError(reason) ? reason : new WaybillError('CANCELLED', 'the build was cancelled', { cause: reason });
  }
  if (read.status === 'rejected' && isWaybillError(read.reason)) throw read.reason;
  if (result.status === 'rejected') throw result.reason;
  const { value } = result;
  if (!value.failed) return String(value.stdout ?? '').trim();
  if (value.code === 'ENOENT') throw new WaybillError('MISSING_PROGRAM', `${program} is not there`);
  const said = last
    .filter((line) => line.trim() !== '')
    .slice(-6)
    .join('\n')
    .slice(-2000);
  throw new WaybillError('BUILD_FAILED', said || messageOf(value.cause ?? value.shortMessage));
}
