import { parentPort, workerData } from 'node:worker_threads';
import { Patience } from './patience.ts';
import { compileRules } from './rule-set.ts';
import { scanBatch } from './scan-batch.ts';
import type { BatchMessage, ResultMessage, ThreadData } from './scan-messages.ts';

/** A thread of scan-threads.ts: one batch after another. */
const { rules, allow, gitleaksComments, limits, now } = workerData as ThreadData;
const set = compileRules(rules, { allow, gitleaksComments });
const placeOf = new Map(set.rules.map((rule, index) => [rule, index]));
const patience = new Patience(limits.strikes);

parentPort?.on('message', ({ bytes, parts }: BatchMessage) => {
  const whole = Buffer.from(bytes);
  const result = scanBatch(
    set,
    parts.map(({ start, length, blob, ...part }) => ({
      ...part,
      bytes: whole.subarray(start, start + length),
      file: { ...(blob === undefined ? {} : { blob }), dirty: false },
    })),
    limits,
    patience,
    now,
  );
  const found = result.found.map(({ located, part }) => ({ located: { ...located, rule: placeOf.get(located.rule) ?? -1 }, part }));
  parentPort?.postMessage({ ...result, found } satisfies ResultMessage);
});
