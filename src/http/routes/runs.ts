import type { FastifyInstance, FastifyRequest } from 'fastify';
import { endpoints, streams } from '../../api/endpoints.ts';
import { WaybillError } from '../../kernel/error.ts';
import type { RunId } from '../../kernel/ids.ts';
import { listRuns, showRun } from '../../ops/show-run.ts';
import type { World } from '../../ops/world.ts';
import type { LogName } from '../../run/logs.ts';
import { allow } from '../access.ts';
import { serve, type Authenticate } from '../serve.ts';

/** Runs and their logs. A log is a stream of server-sent events, one a line, `event: end` last. */
export function runRoutes(app: FastifyInstance, world: World, who: Authenticate): void {
  serve(app, who, endpoints.listRuns, async ({ query }) =>
    listRuns(world, {
      limit: query.limit,
      ...(query.repository === undefined ? {} : { repository: query.repository }),
      ...(query.change === undefined ? {} : { change: query.change }),
    }),
  );
  serve(app, who, endpoints.showRun, async ({ params }) => showRun(world, params.id as RunId));
  serve(app, who, endpoints.cancelRun, async ({ params, body }, person) => {
    await world.engine().cancel(params.id as RunId, person.id, body.reason);
    return showRun(world, params.id as RunId);
  });
  serve(app, who, endpoints.listLogs, async ({ params }) => (await world.logs.names(params.id as RunId)).map((name) => [...name]));

  app.get(streams.log, async (request: FastifyRequest, reply) => {
    await allow('person', await who(request));
    const { id } = endpoints.showRun.params.parse(request.params);
    const query = request.query as { name?: string; follow?: string };
    const name = (query.name ?? '').split('/') as unknown as LogName;
    const run = id as RunId;
    const gone = new AbortController();
    request.raw.once('close', () => gone.abort());
    const follow = query.follow === '1';
    await begun(world, run, name, follow, gone.signal);
    reply.hijack();
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
    try {
      for await (const line of world.logs.read(run, name, { follow, signal: gone.signal })) {
        if (!reply.raw.write(`data: ${JSON.stringify(line)}\n\n`)) await drained(reply.raw, gone.signal);
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
    const names = await world.logs.names(run);
    if (names.some((known) => known.join('/') === name.join('/'))) return;
    const state = await world.journal.state(run);
    if (!follow || state.finishedAt !== undefined) throw new WaybillError('NOT_FOUND', `run ${run} has no log ${name.join('/')}`);
    signal.throwIfAborted();
    await new Promise<void>((resolve) => {
      const listening = world.journal.onEvent((of) => {
        if (of !== run) return;
        listening[Symbol.dispose]();
        resolve();
      });
      signal.addEventListener(
        'abort',
        () => {
          listening[Symbol.dispose]();
          resolve();
        },
        { once: true },
      );
    });
  }
}

async function drained(stream: NodeJS.WritableStream, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    stream.once('drain', resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  if (signal.aborted) throw new WaybillError('CANCELLED', 'the follower has gone');
}
