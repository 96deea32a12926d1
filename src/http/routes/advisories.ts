import type { FastifyInstance } from 'fastify';
import { endpoints } from '../../api/endpoints.ts';
import { listAdvisories, updateAdvisories } from '../../ops/update-advisories.ts';
import type { World } from '../../ops/world.ts';
import { serve, type Authenticate } from '../serve.ts';

/** The advisories of the server. */
export function advisoryRoutes(app: FastifyInstance, world: World, who: Authenticate): void {
  serve(app, who, endpoints.listAdvisories, async () => listAdvisories(world));
  serve(app, who, endpoints.updateAdvisories, async ({ signal }, by) => updateAdvisories(world, by.id, signal));
}
