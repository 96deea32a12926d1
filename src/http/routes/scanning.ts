import type { FastifyInstance } from 'fastify';
import { endpoints } from '../../api/endpoints.ts';
import { listAdvisories, updateAdvisories } from '../../ops/update-advisories.ts';
import { newlyVulnerable, where } from '../../ops/where.ts';
import type { World } from '../../ops/world.ts';
import { serve, type Authenticate } from '../serve.ts';
import { scanHistory, showHistoryScan } from '../../ops/scan-history.ts';

/** The advisories of the server, what is affected by them, and scans of whole histories. */
export function scanningRoutes(app: FastifyInstance, world: World, who: Authenticate): void {
  serve(app, who, endpoints.listAdvisories, async () => listAdvisories(world));
  serve(app, who, endpoints.showHistoryScan, async ({ params }) => showHistoryScan(world, params.name));
  serve(app, who, endpoints.scanHistory, async ({ params, signal }, by) => scanHistory(world, params.name, by.id, signal));
  serve(app, who, endpoints.updateAdvisories, async ({ signal }, by) => updateAdvisories(world, by.id, signal));
  serve(app, who, endpoints.where, async ({ query: { what, pods, limit }, signal }) =>
    where(world, { what, limit, pods: pods === 'yes' }, signal),
  );
  serve(app, who, endpoints.newlyVulnerable, async ({ query, signal }) =>
    newlyVulnerable(world, { pods: query.pods === 'yes', better: true, signal }),
  );
}
