import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { CheckReport } from './check.ts';
import type { TestOptions } from './registry.fixture.ts';

const fixture = new URL('./registry.fixture.ts', import.meta.url).href;
const program = `
  import { startTestRegistry } from ${JSON.stringify(fixture)};
  const server = await startTestRegistry({ folder: process.argv[1], ...JSON.parse(process.argv[2]) });
  const { token } = await server.registry.mintPush({ repository: 'shop/shop', run: 1, ttlMs: 6 * 60 * 60_000 });
  console.log(JSON.stringify({ host: server.host, token: token.reveal() }));
  process.on('message', async () => {
    const asked = { deep: true, quarantine: false, signal: AbortSignal.timeout(60_000) };
    process.send(await server.registry.check(asked));
  });
`;

/** A registry in a process of its own, which is killed when it is disposed. `options` as for the fixture, as far as JSON goes. */
export async function registryProcess(folder: string, wrapper: readonly string[] = [], options: TestOptions = {}) {
  const [command = process.execPath, ...rest] = [
    ...wrapper,
    process.execPath,
    '--input-type=module',
    '-e',
    program,
    folder,
    JSON.stringify(options),
  ];
  const running = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  const { stdout } = running;
  if (!stdout) throw new Error('no output');
  const exited = new Promise<void>((resolve) => running.once('exit', () => resolve()));
  const line = await new Promise<string>((resolve, reject) => {
    createInterface(stdout).once('line', resolve);
    running.once('exit', () => reject(new Error('the registry did not start')));
  });
  const { host, token } = JSON.parse(line) as { host: string; token: string };
  return {
    host,
    token,
    pid: running.pid ?? 0,
    call: async (path: string, init: RequestInit = {}) =>
      await fetch(`http://${host}${path}`, { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } }),
    /** Every blob is read and hashed. */
    fsck: () =>
      new Promise<CheckReport>((resolve, reject) => {
        running.once('message', (report) => resolve(report as CheckReport));
        running.once('exit', () => reject(new Error('the registry ended')));
        running.send('check');
      }),
    async [Symbol.asyncDispose]() {
      running.kill('SIGKILL');
      await exited;
    },
  };
}
