import type { FastifyInstance } from 'fastify';
import { Readable } from 'node:stream';
import { endpoints, streams } from '../../api/endpoints.ts';
import { WaybillError } from '../../kernel/error.ts';
import { openLedgerExport } from '../../ops/open-ledger-export.ts';
import { showPapers } from '../../ops/show-papers.ts';
import { listRefusals } from '../../ops/list-refusals.ts';
import { trace } from '../../ops/trace.ts';
import type { World } from '../../ops/world.ts';
import { allow } from '../access.ts';
import { openApi } from '../openapi.ts';
import { serve, type Authenticate } from '../serve.ts';

type LookedAt = { readonly scans?: { readonly vulnerabilities?: { readonly at: string; readonly worst?: string } } };

function lookIn({ scans }: LookedAt): { lookedAt?: string; worst?: string } {
  const looked = scans?.vulnerabilities;
  return looked ? { lookedAt: looked.at, ...(looked.worst === undefined ? {} : { worst: looked.worst }) } : {};
}

/** Images and their papers, the ledger, and what the gate fetches. */
export function evidenceRoutes(app: FastifyInstance, world: World, who: Authenticate): void {
  serve(app, who, endpoints.listImages, async () => {
    const known = await world.papers.snapshot();
    return (known?.snapshot.images ?? []).map((image) => ({
      digest: image.digest,
      repository: image.repository,
      ...(image.imported
        ? { imported: { number: image.imported.number, reference: image.imported.reference } }
        : { commit: image.source.commit, run: image.run, ...lookIn(image) }),
      validUntil: image.validUntil,
    }));
  });
  serve(app, who, endpoints.showPapers, async ({ params }) => showPapers(world, params.name));
  serve(app, who, endpoints.trace, async ({ query }) => trace(world, query.subject, query.environment));
  serve(app, who, endpoints.refuse, async () => listRefusals(world));

  serve(app, who, endpoints.keys, () => world.papers.keys());
  serve(app, who, endpoints.policy, () => world.policies());
  // Public: believed for its signature. The gate asks often, and gets it only when it is another one.
  app.get(endpoints.snapshot.path, async (request, reply) => {
    const known = await world.papers.snapshot();
    if (!known) throw new WaybillError('NOT_FOUND', 'there is no snapshot yet');
    const tag = `"${known.snapshot.sequence}-${Date.parse(known.snapshot.issuedAt)}"`;
    void reply.header('etag', tag).header('cache-control', 'no-cache');
    if (request.headers['if-none-match'] === tag) return reply.status(304).send();
    return reply.type('application/json').send(known.envelope);
  });
  serve(app, who, endpoints.checkpoint, async () => {
    const latest = await world.ledger.latestCheckpoint();
    if (!latest) throw new WaybillError('NOT_FOUND', 'there is no checkpoint yet');
    return { checkpoint: latest.note };
  });
  app.get(streams.ledger, async (request, reply) => {
    await allow('person', await who(request));
    return reply.type('application/x-ndjson').send(Readable.from(await openLedgerExport(world)));
  });
  app.get('/api/v1/openapi.json', async () => openApi(world.url));
  app.get('/healthz', async () => ({ ok: true }));
}
