import { messageOf } from '../kernel/error.ts';
import type { World } from './world.ts';

/** Of its life, after which a generation gets a successor; the rest is the overlap in which both pull. */
const due = 2 / 3;

/**
 * Gives every environment whose pull secret is in the last third of its life a new generation. The one before goes on pulling until it expires,
 * so that a pod in the middle of a pull, or a kubelet that has it in mind, does not fail. One environment that cannot be reached is tried again
 * the next time, and keeps no other from its turn. Returns the names of those that were renewed.
 */
export async function renewPullSecrets(
  world: Pick<World, 'environments' | 'registry' | 'target' | 'clock' | 'logger' | 'pullSecretMs' | 'registryName' | 'lockEnvironment'>,
  signal: AbortSignal,
): Promise<string[]> {
  const renewed: string[] = [];
  for (const environment of await world.environments.list()) {
    if (signal.aborted) return renewed;
    try {
      const state = await world.registry.pullState(environment.name);
      if (!state) continue;
      const from = Date.parse(state.newest.createdAt);
      const until = Date.parse(state.newest.expiresAt);
      if (world.clock.now().getTime() < from + (until - from) * due) continue;
      // A release that goes out right now brings a new generation itself.
      using _lock = await world.lockEnvironment(environment.name, signal);
      await using target = await world.target(environment);
      const ready = await target.preflight({ signal });
      // Asked first, so that a cluster that is away for days does not gather keys that nobody has.
      if (!ready.ok) throw new Error(ready.reason);
      const pull = await world.registry.mintPull({
        environment: environment.name,
        repositories: state.repositories,
        ttlMs: world.pullSecretMs,
      });
      await target.renewPullSecret({ registry: world.registryName, username: pull.username, password: pull.password }, { signal });
      renewed.push(environment.name);
      world.logger.info({ environment: environment.name, expiresAt: pull.expiresAt }, 'the pull secret was renewed');
    } catch (error) {
      world.logger.warn(
        { environment: environment.name, error: messageOf(error) },
        'the pull secret could not be renewed; it is tried again',
      );
    }
  }
  return renewed;
}
