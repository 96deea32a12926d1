import type { FastifyInstance } from 'fastify';
import { Readable } from 'node:stream';
import { endpoints, streams } from '../../api/endpoints.ts';
import { WaybillError } from '../../kernel/error.ts';
import { exportLedger } from '../../ledger/export.ts';
import { showPapers } from '../../ops/show-papers.ts';
import { listRefusals } from '../../ops/list-refusals.ts';
import { trace } from '../../ops/trace.ts';
import type { World } from '../../ops/world.ts';
import { allow } from '../access.ts';
import { openApi } from '../openapi.ts';
import { serve, type Authenticate } from '../serve.ts';

/** Images and their papers, the ledger, and what the gate fetches. */
export function evidenceRoutes(app: FastifyInstance, world: World, who: Authenticate): void {
  serve(app, who, endpoints.listImages, async () => {
    const known = await world.papers.snapshot();
    return (known?.snapshot.images ?? []).map((image) => ({
      digest: image.digest,
      repository: image.repository,
      commit: image.source.commit,
      run: image.run,
      validUntil: image.validUntil,
    }));
  });
  serve(app, who, endpoints.showPapers, async ({ params }) => showPapers(world, params.name));
  serve(app, who, endpoints.trace, async ({ query }) => trace(world, query.subject, query.environment));
  serve(app, who, endpoints.refuse, async () => listRefusals(world));

  serve(app, who, endpoints.keys, () => world.papers.keys());
  serve(app, who, endpoints.policy, () => world.policies());
  serve(app, who, endpoints.snapshot, async () => {
    const known = await world.papers.snapshot();
    if (!known) throw new WaybillError('NOT_FOUND', 'there is no snapshot yet');
    return JSON.parse(known.envelope) as unknown;
  });
  serve(app, who, endpoints.checkpoint, async () => {
    const latest = await world.ledger.latestCheckpoint();
    if (!latest) throw new WaybillError('NOT_FOUND', 'there is no checkpoint yet');
    return { checkpoint: latest.note };
  });
  app.get(streams.ledger, async (request, reply) => {
    await allow('person', await who(request));
    return reply.type('application/x-ndjson').send(Readable.from(exportLedger(world.store)));
  });
  app.get('/api/v1/openapi.json', async () => openApi(world.url));
  app.get('/healthz', async () => ({ ok: true }));
}
