import { parentPort } from 'node:worker_threads';
import { isWaybillError } from '../../kernel/error.ts';
import { runJob, type PackJob, type PackReply } from './pack.ts';

/** A thread of packers.ts: one job after another. */
parentPort?.on('message', (job: PackJob) => {
  let reply: PackReply;
  try {
    reply = { result: runJob(job) };
  } catch (error) {
    reply = isWaybillError(error) ? { code: error.code, detail: error.detail, fix: error.fix } : { thrown: error };
  }
  parentPort?.postMessage(reply);
});
