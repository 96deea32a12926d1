import type { Environment } from '../deploy/environment.ts';
import type { Person } from '../identity/person.ts';
import { WaybillError } from '../kernel/error.ts';
import type { PullCredential } from '../registry/pull-tokens.ts';
import { renewNow, type RenewalWorld } from './renew-pull-secrets.ts';
import type { World } from './world.ts';

/**
 * A key of our own registry for somebody who wires it in himself: what an environment may pull, or some of the registry's repositories. It is a
 * generation of that environment: removing the environment takes it back. Renewals do not reach it.
 * @param wanted.repositories default: what was released to the environment @throws WaybillError NOT_FOUND, INVALID_INPUT
 */
export async function mintPullSecret(
  world: Pick<World, 'environments' | 'registry' | 'pullSecrets' | 'ledger' | 'pullSecretMs'>,
  by: Person,
  name: string,
  wanted: { readonly repositories: readonly string[]; readonly days?: number | undefined },
): Promise<{ readonly credential: PullCredential; readonly repositories: readonly string[] }> {
  await demand(world, name);
  const repositories =
    wanted.repositories.length > 0
      ? [...new Set(wanted.repositories)]
      : (((await world.registry.pullState(name)) ?? (await world.pullSecrets.get(name)))?.repositories ?? []);
  if (repositories.length === 0)
    throw new WaybillError('INVALID_INPUT', `nothing was released to ${name} yet, so it is not known what it pulls`, {
      fix: 'Name the repositories of the registry: --repository shop/web. It can be given again.',
    });
  const ttlMs = wanted.days === undefined ? world.pullSecretMs : wanted.days * 24 * 3_600_000;
  await world.ledger.append({
    kind: 'admin',
    subject: [`environment:${name}`],
    body: { act: 'pull-secret-create', by: by.id, environment: name, repositories: [...repositories] },
  });
  return { credential: await world.registry.mintPull({ environment: name, repositories, ttlMs, handedOut: true }), repositories };
}

/** Gives an environment a new generation of its own pull secret now: after its namespace was made anew, for example. @throws WaybillError */
export async function renewPullSecretNow(
  world: RenewalWorld,
  by: Person,
  name: string,
  signal: AbortSignal,
): Promise<{ readonly expiresAt?: string }> {
  const environment = await demand(world, name);
  if (environment.kind === 'local')
    throw new WaybillError('INVALID_INPUT', `${name} is this host: each pull brings its own key, and there is no Secret to renew`);
  if ((await world.registry.pullState(name)) === undefined && (await world.pullSecrets.get(name))?.writtenAt === undefined)
    throw new WaybillError('CONFLICT', `nothing was released to ${name} yet; its first release brings the pull secret along`);
  await world.ledger.append({
    kind: 'admin',
    subject: [`environment:${name}`],
    body: { act: 'pull-secret-renew', by: by.id, environment: name },
  });
  using _lock = await world.lockEnvironment(name, signal);
  await using target = await world.target(environment);
  return await renewNow(world, environment, target, signal);
}

async function demand(world: Pick<World, 'environments'>, name: string): Promise<Environment> {
  const environment = await world.environments.get(name);
  if (!environment) throw new WaybillError('NOT_FOUND', `there is no environment ${name}`);
  return environment;
}
