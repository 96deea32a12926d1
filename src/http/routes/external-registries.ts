import type { FastifyInstance } from 'fastify';
import type { ReplyOf } from '../../api/endpoint.ts';
import { endpoints } from '../../api/endpoints.ts';
import { Secret } from '../../kernel/secret.ts';
import { auditRegistries } from '../../ops/audit-registries.ts';
import {
  addExternalRegistry,
  checkExternalRegistry,
  removeExternalRegistry,
  renewExternalCredentials,
} from '../../ops/external-registries.ts';
import type { World } from '../../ops/world.ts';
import { serve, type Authenticate } from '../serve.ts';

/** Registries that the company has. A credential comes in and never goes out. */
export function externalRegistryRoutes(app: FastifyInstance, world: World, who: Authenticate): void {
  serve(app, who, endpoints.listExternalRegistries, async () => (await world.externals.list()).map(viewOf));
  serve(app, who, endpoints.addExternalRegistry, async ({ body }, by) => {
    const { credential, pullCredential, ...record } = body;
    return viewOf(
      await addExternalRegistry(
        world,
        by,
        record,
        credential === undefined ? undefined : new Secret(credential),
        pullCredential === undefined ? undefined : new Secret(pullCredential),
      ),
    );
  });
  serve(app, who, endpoints.removeExternalRegistry, async ({ params }, by) => {
    await removeExternalRegistry(world, by, params.name);
    return { ok: true } as const;
  });
  serve(app, who, endpoints.renewExternalCredentials, async ({ params, body: { credential, pullCredential } }, by) =>
    viewOf(
      await renewExternalCredentials(world, by, params.name, {
        ...(credential === undefined ? {} : { push: new Secret(credential) }),
        ...(pullCredential === undefined ? {} : { pull: new Secret(pullCredential) }),
      }),
    ),
  );
  serve(app, who, endpoints.auditRegistries, async ({ body, signal }, by) =>
    (await auditRegistries(world, by, body.names, signal)).map((finding) => ({ ...finding, facts: [...finding.facts] })),
  );
  serve(app, who, endpoints.checkExternalRegistry, async ({ params, body, signal }, by) =>
    checkExternalRegistry(world, by, params.name, { ...body, signal }),
  );
}

type ExternalRegistry = Awaited<ReturnType<World['externals']['list']>>[number];

/** All but the CA, which is long and which nobody reads. */
function viewOf(record: ExternalRegistry): ReplyOf<typeof endpoints.addExternalRegistry> {
  const { name, server, kind, naming, uses, repositories, createRepositories, anonymous, createdAt, prefix, tokenHost, mirror } = record;
  return {
    name,
    server,
    kind,
    naming,
    uses,
    repositories,
    createRepositories,
    anonymous,
    createdAt,
    ...(prefix === undefined ? {} : { prefix }),
    ...(tokenHost === undefined ? {} : { tokenHost }),
    ...(mirror === undefined ? {} : { mirror }),
  };
}
