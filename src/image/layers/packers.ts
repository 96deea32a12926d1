import { Worker } from 'node:worker_threads';
import { WaybillError } from '../../kernel/error.ts';
import type { PackJob, PackReply, PackResult } from './pack.ts';

/** Threads that read, pack, hash and compress, each a layer of its own. Disposing it ends them, whatever they do. */
export type Packers = AsyncDisposable & {
  /** Starts all threads now, so that they are ready when there is work; it takes one a twentieth of a second. */
  start(): void;
  /** @throws WaybillError as `runJob` does; the reason of the signal */
  run<Job extends PackJob>(job: Job, signal: AbortSignal): Promise<PackResult<Job>>;
};

/** @param threads how many jobs run at once; none is started before there is a job for it, or `start` */
export function openPackers(threads: number): Packers {
  const idle: Worker[] = [];
  const all = new Set<Worker>();
  const waiting: ((worker: Worker) => void)[] = [];

  function begin(): Worker {
    const worker = new Worker(new URL('./pack-worker.ts', import.meta.url));
    all.add(worker);
    return worker;
  }

  async function take(): Promise<Worker> {
    const free = idle.pop();
    if (free) return free;
    if (all.size < threads) return begin();
    return await new Promise<Worker>((resolve) => waiting.push(resolve));
  }

  function give(worker: Worker): void {
    const next = waiting.shift();
    if (next) next(worker);
    else idle.push(worker);
  }

  return {
    start() {
      while (all.size < threads) idle.push(begin());
    },
    async run(job, signal) {
      const worker = await take();
      const { promise, resolve, reject } = Promise.withResolvers<PackReply>();
      const stop = () => reject(signal.reason);
      worker.once('message', resolve).once('error', reject).once('exit', reject);
      signal.addEventListener('abort', stop, { once: true });
      try {
        signal.throwIfAborted();
        worker.postMessage(job);
        const reply = await promise;
        if ('result' in reply) return reply.result as PackResult<typeof job>;
        throw 'code' in reply ? new WaybillError(reply.code, reply.detail, { fix: reply.fix }) : reply.thrown;
      } finally {
        signal.removeEventListener('abort', stop);
        worker.off('message', resolve).off('error', reject).off('exit', reject);
        // After an abort it is still busy; whoever waits for it is aborted too, and disposing ends it.
        give(worker);
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(Array.from(all, (worker) => worker.terminate()));
    },
  };
}
