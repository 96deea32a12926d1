import type { Environment } from '../deploy/environment.ts';
import type { PullCredential, PullSecret } from '../deploy/pull-secret.ts';
import { WaybillError, messageOf } from '../kernel/error.ts';
import type { ExternalRegistry } from '../registry/external/record.ts';
import type { World } from './world.ts';

export type MadePullSecret = {
  readonly secret: PullSecret;
  /** As deploy/pull-secret-records.ts keeps them. */
  readonly registries: readonly string[];
  readonly repositories: readonly string[];
  /** When the first of its logins ends, in ISO 8601; missing when none does. */
  readonly expiresAt?: string;
};

type Needs = Pick<World, 'registry' | 'registryName' | 'pullSecretMs' | 'externals' | 'pullSecrets' | 'ledger' | 'logger'>;

/**
 * A new generation of what an environment pulls with: a key of our own registry for what was released there and what is released now, and the pull
 * credential of its external registry, exchanged anew where the registry wants that. Every grant is in the ledger before it leaves.
 * @throws WaybillError NOT_FOUND when the external registry or its pull credential is missing, UNAUTHENTICATED, REGISTRY_FAILED
 */
export async function makePullSecret(
  world: Needs,
  environment: Environment,
  repositories: readonly string[] = [],
): Promise<MadePullSecret> {
  // Keys may all have expired, while a cluster or the server was away: what they covered has not.
  const before = [await world.registry.pullState(environment.name), await world.pullSecrets.get(environment.name)];
  const own = [...new Set([...repositories, ...before.flatMap((each) => each?.repositories ?? [])])].sort();
  const logins: (PullCredential & { readonly expiresAt?: string })[] = [];
  const registries: string[] = [];
  for (const { record, former } of await externalsOf(world, environment)) {
    try {
      const { username, password, expiresAt } = await world.externals.pullCredential(record.name, { fresh: true });
      await world.ledger.append({
        kind: 'grant',
        subject: [`environment:${environment.name}`],
        body: {
          kind: 'external-pull',
          environment: environment.name,
          registry: record.name,
          server: record.server,
          username,
          ...(expiresAt === undefined ? {} : { expiresAt }),
        },
      });
      logins.push({ registry: record.server, username, password, ...(expiresAt === undefined ? {} : { expiresAt }) });
      registries.push(stampOf(record));
    } catch (error) {
      if (!former) throw error;
      world.logger.warn(
        { environment: environment.name, registry: record.name, error: messageOf(error) },
        'the login at a registry that the environment was deployed from before could not be renewed',
      );
    }
  }
  if (own.length > 0) {
    const { username, password, expiresAt } = await world.registry.mintPull({
      environment: environment.name,
      // One secret for the namespace: it goes on covering what other repositories have released there.
      repositories: own,
      ttlMs: world.pullSecretMs,
    });
    logins.push({ registry: world.registryName, username, password, expiresAt });
  }
  // ISO 8601 in UTC sorts as time does.
  const [expiresAt] = logins.flatMap((login) => login.expiresAt ?? []).sort();
  return {
    secret: logins.map(({ registry, username, password }) => ({ registry, username, password })),
    registries,
    repositories: own,
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
}

/** One that has got other credentials, or was removed and added again, is another one. */
export const stampOf = (record: Pick<ExternalRegistry, 'name' | 'credentialsAt'>): string => `${record.name} ${record.credentialsAt}`;

/**
 * The registry that the environment is deployed from, and those that it was deployed from before: what runs from there may be started again.
 * @throws WaybillError NOT_FOUND when the first is gone
 */
export async function externalsOf(
  world: Pick<World, 'externals' | 'pullSecrets'>,
  environment: Environment,
): Promise<{ readonly record: ExternalRegistry; readonly former: boolean }[]> {
  const found: { record: ExternalRegistry; former: boolean }[] = [];
  if (environment.registry !== undefined) found.push({ record: await demandExternal(world, environment), former: false });
  for (const stamp of (await world.pullSecrets.get(environment.name))?.registries ?? []) {
    const name = stamp.split(' ')[0] ?? '';
    const record = name === environment.registry ? undefined : await world.externals.get(name);
    if (record) found.push({ record, former: true });
  }
  return found;
}

/** @throws WaybillError NOT_FOUND */
export async function demandExternal(
  world: Pick<World, 'externals'>,
  { name, registry }: Pick<Environment, 'name' | 'registry'>,
): Promise<ExternalRegistry> {
  const record = registry === undefined ? undefined : await world.externals.get(registry);
  if (!record)
    throw new WaybillError(
      'NOT_FOUND',
      `the environment ${name} is deployed from the registry ${registry}, and there is no such registry`,
      {
        fix: `An administrator adds it (waybill registry add ${registry}), or changes the environment: waybill environment change ${name} --own-registry.`,
      },
    );
  return record;
}
