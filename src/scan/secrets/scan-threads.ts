import { Worker } from 'node:worker_threads';
import type { ScanLimits } from './limits.ts';
import type { RuleSet } from './rule-set.ts';
import type { BatchResult } from './scan-batch.ts';
import type { Part } from './scan-chunks.ts';
import type { BatchMessage, PartMessage, ResultMessage, ThreadData } from './scan-messages.ts';

/** One that works and one that waits: a thread is never without work while there is some. */
const mostWaiting = 2;

/** What a batch leaves behind is small or large at once: more room for young objects is memory held, and no time won. */
const resourceLimits = { maxYoungGenerationSizeMb: 3 };

/** Threads that look at batches beside this one. Disposing ends them, whatever they do. */
export type ScanThreads = AsyncDisposable & {
  /** Undefined when all have enough to do: whoever asks looks at it by themselves. Rejects with what a rule has thrown. */
  offer(parts: readonly Part[]): Promise<BatchResult> | undefined;
};

type Thread = { readonly worker: Worker; readonly waiting: PromiseWithResolvers<BatchResult>[] };

export function openScanThreads(count: number, set: RuleSet, limits: ScanLimits, now: Date): ScanThreads {
  const { milliseconds, decodeDepth, strikes } = limits;
  const workerData: ThreadData = {
    rules: set.rules.map(({ rule }) => ({ ...rule, examples: { found: [] } })),
    allow: set.allow.map(({ allow }) => allow),
    gitleaksComments: set.gitleaksComments,
    limits: { milliseconds, decodeDepth, strikes },
    now,
  };
  const threads = Array.from({ length: count }, (): Thread => {
    const worker = new Worker(new URL('./scan-thread.ts', import.meta.url), { workerData, resourceLimits });
    const waiting: Thread['waiting'] = [];
    worker.on('message', ({ found, ...rest }: ResultMessage) => {
      const named = found.flatMap(({ located, part }) => {
        const rule = set.rules[located.rule];
        return rule ? [{ located: { ...located, rule }, part }] : [];
      });
      waiting.shift()?.resolve({ ...rest, found: named });
    });
    const end = (error: Error) => {
      for (const { reject } of waiting.splice(0)) reject(error);
    };
    worker.on('error', end).on('exit', () => end(new Error('a thread of the scan has ended')));
    return { worker, waiting };
  });
  return {
    offer(parts) {
      const [thread] = threads.toSorted((a, b) => a.waiting.length - b.waiting.length);
      if (!thread || thread.waiting.length >= mostWaiting) return undefined;
      const done = Promise.withResolvers<BatchResult>();
      thread.waiting.push(done);
      const message = messageOf(parts);
      thread.worker.postMessage(message, [message.bytes]);
      return done.promise;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(threads.map(({ worker }) => worker.terminate()));
    },
  };
}

/** The bytes are copied: what reads a file goes on with the end of a part, and buffers of many files may be one. */
function messageOf(parts: readonly Part[]): BatchMessage {
  const whole = new Uint8Array(parts.reduce((sum, { bytes }) => sum + bytes.length, 0));
  let start = 0;
  const messages = parts.map(({ bytes, file, ...part }): PartMessage => {
    whole.set(bytes, start);
    const message = { ...part, start, length: bytes.length, ...(file.blob === undefined ? {} : { blob: file.blob }) };
    start += bytes.length;
    return message;
  });
  return { bytes: whole.buffer, parts: messages };
}
