import type { FastifyInstance } from 'fastify';
import type { ReplyOf } from '../../api/endpoint.ts';
import { endpoints } from '../../api/endpoints.ts';
import { WaybillError } from '../../kernel/error.ts';
import type { Person } from '../../identity/person.ts';
import {
  addEnvironment,
  addPerson,
  addRepository,
  changeEnvironment,
  changePerson,
  createToken,
  removeEnvironment,
  removePerson,
  removeRepository,
  revokeToken,
} from '../../ops/administer.ts';
import { mintPullSecret, renewPullSecretNow } from '../../ops/pull-secrets.ts';
import type { World } from '../../ops/world.ts';
import type { Repository } from '../../source/port.ts';
import { serve, type Authenticate } from '../serve.ts';

const ok = { ok: true } as const;
const personOf = ({ id, name, emails, role }: Person) => ({ id, name, emails: [...emails], role });

export const repositoryOf = (world: Pick<World, 'url'>, repository: Repository) => ({
  name: repository.name,
  protectedBranch: repository.protectedBranch,
  createdAt: repository.createdAt,
  cloneUrl: `${world.url}/git/${repository.name}.git`,
});

/** People, tokens, repositories, environments. */
export function administrationRoutes(app: FastifyInstance, world: World, who: Authenticate): void {
  serve(app, who, endpoints.whoAmI, async (_, person) => personOf(person));

  serve(app, who, endpoints.listPeople, async () => (await world.identity.listPeople()).filter((person) => person.active).map(personOf));
  serve(app, who, endpoints.addPerson, async ({ body }, by) => personOf(await addPerson(world, by, { ...body })));
  serve(app, who, endpoints.changePerson, async ({ params, body }, by) => personOf(await changePerson(world, by, params.name, body)));
  serve(app, who, endpoints.removePerson, async ({ params }, by) => {
    await removePerson(world, by, params.name);
    return ok;
  });

  serve(app, who, endpoints.listTokens, async () =>
    (await world.identity.listTokens())
      .filter((token) => token.revokedAt === undefined)
      .map(({ id, person, label, createdAt, expiresAt }) => ({
        id,
        person,
        label,
        createdAt,
        ...(expiresAt === undefined ? {} : { expiresAt }),
      })),
  );
  serve(app, who, endpoints.createToken, async ({ body }, by) => {
    const { id, token } = await createToken(world, by, body);
    return { id, token: token.reveal() };
  });
  serve(app, who, endpoints.revokeToken, async ({ params }, by) => {
    await revokeToken(world, by, params.name);
    return ok;
  });

  serve(app, who, endpoints.listRepositories, async () => (await world.source.listRepositories()).map((each) => repositoryOf(world, each)));
  serve(app, who, endpoints.addRepository, async ({ body }, by) => repositoryOf(world, await addRepository(world, by, body)));
  serve(app, who, endpoints.removeRepository, async ({ params }, by) => {
    await removeRepository(world, by, params.name);
    return ok;
  });

  serve(app, who, endpoints.listEnvironments, async () =>
    Promise.all((await world.environments.list()).map((environment) => environmentOf(world, environment))),
  );
  serve(app, who, endpoints.addEnvironment, async ({ body }, by) => {
    if (body.kind === 'cluster' && body.kubeconfig === undefined) {
      throw new WaybillError('INVALID_INPUT', 'a cluster environment needs a kubeconfig', {
        fix: 'waybill environment add NAME --kubeconfig FILE, or --local.',
      });
    }
    return environmentOf(world, await addEnvironment(world, by, body));
  });
  serve(app, who, endpoints.changeEnvironment, async ({ params, body }, by) =>
    environmentOf(world, await changeEnvironment(world, by, params.name, body)),
  );
  serve(app, who, endpoints.mintPullSecret, async ({ params, body }, by) => {
    const { credential, repositories } = await mintPullSecret(world, by, params.name, body);
    const { username, password, expiresAt } = credential;
    return { server: world.registryName, username, password: password.reveal(), expiresAt, repositories: [...repositories] };
  });
  serve(app, who, endpoints.renewPullSecret, async ({ params, signal }, by) => renewPullSecretNow(world, by, params.name, signal));
  serve(app, who, endpoints.removeEnvironment, async ({ params }, by) => {
    if (!(await removeEnvironment(world, by, params.name))) throw new WaybillError('NOT_FOUND', `there is no environment ${params.name}`);
    return ok;
  });
}

type Environment = Awaited<ReturnType<World['environments']['list']>>[number];

async function environmentOf(world: World, environment: Environment): Promise<ReplyOf<typeof endpoints.addEnvironment>> {
  const { name, kind, namespace, pullSecretOn, registry } = environment;
  const record = kind === 'cluster' ? await world.pullSecrets.get(name) : undefined;
  const { registries: _, repositories: __, ...pullSecret } = record ?? { registries: [], repositories: [] };
  return {
    name,
    kind,
    namespace,
    pullSecretOn,
    ...(registry === undefined ? {} : { registry }),
    ...(record === undefined ? {} : { pullSecret }),
  };
}
