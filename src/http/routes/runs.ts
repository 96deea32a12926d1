import { once } from 'node:events';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { endpoints, streams } from '../../api/endpoints.ts';
import { WaybillError } from '../../kernel/error.ts';
import type { RunId } from '../../kernel/ids.ts';
import { listRuns, showRun } from '../../ops/show-run.ts';
import { showScans } from '../../ops/show-scans.ts';
import { showSince } from '../../ops/show-since.ts';
import type { World } from '../../ops/world.ts';
import type { LogName } from '../../run/logs.ts';
import { allow } from '../access.ts';
import { parseInput, serve, type Authenticate } from '../serve.ts';

const logQuery = z.object({ name: z.string().max(300).default(''), follow: z.enum(['0', '1']).default('0') });
/** Each holds a file and a buffer of its own. */
const readersAtMost = 512;

/** Runs and their logs. A log is a stream of server-sent events, one a line, `event: end` last. */
export function runRoutes(app: FastifyInstance, world: World, who: Authenticate): void {
  const readers = new Set<AbortController>();
  serve(app, who, endpoints.listRuns, async ({ query }) =>
    listRuns(world, {
      limit: query.limit,
      ...(query.repository === undefined ? {} : { repository: query.repository }),
      ...(query.change === undefined ? {} : { change: query.change }),
    }),
  );
  serve(app, who, endpoints.showRun, async ({ params }) => showRun(world, params.id as RunId));
  serve(app, who, endpoints.showScans, async ({ params }) => showScans(world, params.id as RunId));
  serve(app, who, endpoints.showSince, async ({ params }) => showSince(world, params.id as RunId));
  serve(app, who, endpoints.cancelRun, async ({ params, body }, person) => {
    await world.engine().cancel(params.id as RunId, person.id, body.reason);
    return showRun(world, params.id as RunId);
  });
  serve(app, who, endpoints.listLogs, async ({ params }) => {
    // A run that is not there is told as that, one that has written nothing has no logs.
    await world.journal.state(params.id as RunId);
    return (await world.logs.names(params.id as RunId)).map((name) => [...name]);
  });

  app.get(streams.log, async (request: FastifyRequest, reply) => {
    await allow('person', await who(request));
    const run = parseInput(endpoints.showRun.params, request.params, 'path').id as RunId;
    const query = parseInput(logQuery, request.query, 'query');
    const name = query.name.split('/') as unknown as LogName;
    const follow = query.follow === '1';
    if (readers.size >= readersAtMost) throw new WaybillError('BUSY', `${readersAtMost} logs are being read at once`);
    if (reply.raw.destroyed) throw new WaybillError('CANCELLED', 'the reader has gone');
    const gone = new AbortController();
    readers.add(gone);
    reply.raw.once('close', () => {
      gone.abort();
      readers.delete(gone);
    });
    await begun(world, run, name, follow, gone.signal);
    reply.hijack();
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
    try {
      for await (const line of world.logs.read(run, name, { follow, signal: gone.signal })) {
        if (!reply.raw.write(`data: ${JSON.stringify(line)}\n\n`)) await once(reply.raw, 'drain', { signal: gone.signal });
      }
      reply.raw.end('event: end\ndata:\n\n');
    } catch (error) {
      reply.raw.destroy();
      if (!gone.signal.aborted) throw error;
    }
  });
}

/** A follower may come before the log's first line: waits for it while the run is open. */
async function begun(world: World, run: RunId, name: LogName, follow: boolean, signal: AbortSignal): Promise<void> {
  for (;;) {
    // Listened for before looking: what happens between the look and the wait wakes the wait.
    const { promise: moved, resolve } = Promise.withResolvers<void>();
    using _listening = world.journal.onEvent((of) => {
      if (of === run) resolve();
    });
    using _gone = onAbort(signal, resolve);
    const names = await world.logs.names(run);
    if (names.some((known) => known.join('/') === name.join('/'))) return;
    const state = await world.journal.state(run);
    if (!follow || state.finishedAt !== undefined) throw new WaybillError('NOT_FOUND', `run ${run} has no log ${name.join('/')}`);
    await moved;
    if (signal.aborted) throw new WaybillError('CANCELLED', 'the follower has gone');
  }
}

function onAbort(signal: AbortSignal, act: () => void): Disposable {
  signal.addEventListener('abort', act, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener('abort', act) };
}
