import { spawn, type ChildProcess } from 'node:child_process';
import { WaybillError } from '../kernel/error.ts';
import type { Logger } from '../kernel/logger.ts';
import { connectSigner, type SignerClient } from '../evidence/signer/client.ts';

const startLimitMs = 20_000;
const restartMs = 1_000;

/** Starts `waybill signer` as a child, keeps it running, and ends it with the server. It gets no more of the environment than it needs. */
export async function startSigner(options: {
  cli: string;
  data: string;
  socket: string;
  logger: Logger;
  environment: NodeJS.ProcessEnv;
}): Promise<SignerClient & AsyncDisposable> {
  const { logger, environment } = options;
  let child: ChildProcess | undefined;
  let stopping = false;
  const start = () => {
    const env: NodeJS.ProcessEnv = { PATH: environment['PATH'] ?? '/usr/bin:/bin' };
    if (environment['WAYBILL_LOG'] !== undefined) env['WAYBILL_LOG'] = environment['WAYBILL_LOG'];
    child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', options.cli, 'signer', '--until-stdin-ends', '--data', options.data],
      {
        env,
        stdio: ['pipe', 'ignore', 'inherit'],
      },
    );
    child.once('error', (error) => logger.error({ error: error.message }, 'the signer could not be started'));
    child.once('exit', (code, signal) => {
      if (stopping) return;
      logger.error({ code, signal }, 'the signer ended; it is started again');
      setTimeout(() => !stopping && start(), restartMs).unref();
    });
  };
  start();
  const client = connectSigner(options.socket);
  const until = performance.now() + startLimitMs;
  for (;;) {
    try {
      await client.request<'keys'>({ kind: 'keys' });
      break;
    } catch (cause) {
      if (performance.now() > until) throw new WaybillError('SIGNER_UNREACHABLE', 'the signer did not come up', { cause });
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }
  return {
    request: (request, signal) => client.request(request, signal),
    async [Symbol.asyncDispose]() {
      stopping = true;
      const running = child;
      if (!running || running.exitCode !== null || running.signalCode !== null) return;
      const ended = new Promise((resolve) => running.once('exit', resolve));
      running.kill('SIGTERM');
      await ended;
    },
  };
}
