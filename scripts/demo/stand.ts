import { spawn, type ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import path from 'node:path';

/** A program that runs beside the demo: ready when it prints what `ready` matches; ended by its id. */
export type Running = AsyncDisposable & {
  readonly child: ChildProcess;
  readonly line: string;
  kill(signal: NodeJS.Signals): Promise<void>;
};

export async function start(options: {
  root: string;
  args: readonly string[];
  env: Record<string, string>;
  ready: RegExp;
  log?: (line: string) => void;
  timeoutMs?: number;
}): Promise<Running> {
  const child = spawn(path.join(options.root, 'bin', 'waybill'), options.args, {
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', HOME: process.env['HOME'] ?? '/', ...options.env },
    stdio: ['ignore', 'ignore', 'pipe'],
    // Of its own group, so that Ctrl-C in the terminal reaches the demo alone, which then ends what it has started in order.
    detached: true,
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const lines: string[] = [];
  const line = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => {
      // Nobody has it in hand when this is over.
      child.kill('SIGKILL');
      reject(new Error(`waybill ${options.args.join(' ')} is not ready after ${options.timeoutMs ?? 30_000} ms\n${lines.join('\n')}`));
    }, options.timeoutMs ?? 30_000);
    createInterface({ input: child.stderr }).on('line', (text) => {
      if (lines.length < 200) lines.push(text);
      options.log?.(text);
      if (!options.ready.test(text)) return;
      clearTimeout(timer);
      resolve(text);
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      reject(new Error(`waybill ${options.args.join(' ')} ended (${code ?? signal})\n${lines.join('\n')}`));
    });
  });
  const kill = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await ended;
  };
  return { child, line, kill, [Symbol.asyncDispose]: () => kill('SIGTERM') };
}

/** A free port on loopback; taken again at once by whoever asked. */
export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve, reject) => {
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', resolve);
  });
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
