import type { FastifyInstance } from 'fastify';
import { endpoints } from '../../api/endpoints.ts';
import { listAdvisories, updateAdvisories } from '../../ops/update-advisories.ts';
import { newlyVulnerable, where } from '../../ops/where.ts';
import type { World } from '../../ops/world.ts';
import { serve, type Authenticate } from '../serve.ts';

/** The advisories of the server, and what is affected by them. */
export function advisoryRoutes(app: FastifyInstance, world: World, who: Authenticate): void {
  serve(app, who, endpoints.listAdvisories, async () => listAdvisories(world));
  serve(app, who, endpoints.updateAdvisories, async ({ signal }, by) => updateAdvisories(world, by.id, signal));
  serve(app, who, endpoints.where, async ({ query: { what, pods, limit }, signal }) =>
    where(world, { what, limit, pods: pods === 'yes' }, signal),
  );
  serve(app, who, endpoints.newlyVulnerable, async ({ query, signal }) =>
    newlyVulnerable(world, { pods: query.pods === 'yes', better: true, signal }),
  );
}
