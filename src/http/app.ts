import Fastify from 'fastify';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { can } from '../identity/roles.ts';
import { WaybillError } from '../kernel/error.ts';
import { Secret } from '../kernel/secret.ts';
import type { World } from '../ops/world.ts';
import { errorHandler } from './errors.ts';
import { administrationRoutes } from './routes/administration.ts';
import { changeRoutes } from './routes/changes.ts';
import { evidenceRoutes } from './routes/evidence.ts';
import { pageRoutes } from './routes/pages.ts';
import { externalRegistryRoutes } from './routes/external-registries.ts';
import { registryRoutes } from './routes/registry.ts';
import { scanningRoutes } from './routes/scanning.ts';
import { runRoutes } from './routes/runs.ts';
import type { Authenticate } from './serve.ts';
import { createSessions } from './session.ts';

const bodyLimit = 2 * 1024 * 1024;
const arrivalMs = 30_000;

/** The server's HTTP: git and the registry as they are, everything else through Fastify. */
export async function createHttp(world: World): Promise<{ handle(request: IncomingMessage, response: ServerResponse): void }> {
  const app = Fastify({ bodyLimit, logger: false, requestTimeout: 0 });
  app.setErrorHandler(errorHandler(world.logger));
  const sessions = createSessions(world.clock, world.url.startsWith('https:'));

  const authenticate: Authenticate = async (request) => {
    const bearer = /^Bearer ([\w.~+/=-]{1,512})$/.exec(request.headers.authorization ?? '')?.[1];
    if (bearer !== undefined) {
      const person = await world.identity.authenticate(new Secret(bearer));
      if (person) return person;
      throw new WaybillError('UNAUTHENTICATED', 'this token is unknown, expired or revoked', {
        fix: 'Ask an administrator for a new one: waybill token create NAME.',
      });
    }
    // The cookie of the pages reads only: a form on another site can make a browser send it.
    const token = request.method === 'GET' ? sessions.tokenOf(request.headers.cookie) : undefined;
    const known = token && (await world.identity.authenticate(token));
    return can(known, 'read') ? known : undefined;
  };

  administrationRoutes(app, world, authenticate);
  changeRoutes(app, world, authenticate);
  registryRoutes(app, world, authenticate);
  externalRegistryRoutes(app, world, authenticate);
  scanningRoutes(app, world, authenticate);
  runRoutes(app, world, authenticate);
  evidenceRoutes(app, world, authenticate);
  pageRoutes(app, world, authenticate, sessions);
  await app.ready();

  return {
    handle(request, response) {
      const path = request.url ?? '/';
      if (path.startsWith('/git/')) void world.source.handleHttp(request, response);
      else if (path === '/v2' || path.startsWith('/v2/') || path.startsWith('/registry/token'))
        void world.registry.handle(request, response);
      else {
        limitArrival(request);
        app.routing(request, response);
      }
    },
  };
}

/** The server as a whole has no limit, because pushes take long; a form or a JSON body that drips is ended. */
function limitArrival(request: IncomingMessage): void {
  const timer = setTimeout(() => {
    if (!request.complete) request.socket.destroy();
  }, arrivalMs);
  timer.unref();
  request.once('end', () => clearTimeout(timer)).once('close', () => clearTimeout(timer));
}
