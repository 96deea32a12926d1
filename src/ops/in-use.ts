import type { Environment } from '../deploy/environment.ts';
import type { RunningContainer } from '../deploy/port.ts';
import type { Release } from '../deploy/releases.ts';
import { withDeadline } from '../kernel/deadline.ts';
import { messageOf } from '../kernel/error.ts';
import type { World } from './world.ts';

/** What an environment was given, and what it says that it runs. */
export type EnvironmentUse = {
  readonly environment: Environment;
  /** Newest first; the newest thousand. */
  readonly releases: readonly Release[];
  /** Ids of those that are meant to run: the newest ready one of every repository. */
  readonly current: ReadonlySet<number>;
  /** Undefined: it was not asked, or did not answer. */
  readonly running?: readonly RunningContainer[];
  /** Why there is no answer. */
  readonly why?: string;
};

const newestReleases = 1_000;
const answerWithinMs = 10_000;

type UseWorld = Pick<World, 'environments' | 'releases' | 'target'>;

/** All environments at once, each with a deadline of its own: one that does not answer is told, and keeps nobody else waiting for longer than that. */
export async function inUse(
  world: UseWorld,
  options: { readonly ask: boolean; readonly signal: AbortSignal },
): Promise<readonly EnvironmentUse[]> {
  return Promise.all(
    (await world.environments.list()).map(async (environment): Promise<EnvironmentUse> => {
      const releases = await world.releases.list({ environment: environment.name, limit: newestReleases });
      const newest = new Map<string, number>();
      for (const { id, repository, status } of releases) if (status === 'ready' && !newest.has(repository)) newest.set(repository, id);
      const told = { environment, releases, current: new Set(newest.values()) };
      if (!options.ask) return { ...told, why: 'it was not asked' };
      try {
        return { ...told, running: await runningIn(world, environment, options.signal) };
      } catch (error) {
        options.signal.throwIfAborted();
        return { ...told, why: messageOf(error).slice(0, 500) };
      }
    }),
  );
}

/** The deadline holds also where a client does not heed its signal. */
async function runningIn(world: UseWorld, environment: Environment, parent: AbortSignal): Promise<readonly RunningContainer[]> {
  using deadline = withDeadline(parent, answerWithinMs, `asking ${environment.name} what runs there`);
  const { signal } = deadline;
  const asked = (async () => {
    await using target = await world.target(environment);
    return await target.running({ signal });
  })();
  const { promise: late, reject } = Promise.withResolvers<never>();
  const giveUp = () => reject(signal.reason as Error);
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    return await Promise.race([asked, late]);
  } finally {
    signal.removeEventListener('abort', giveUp);
    asked.catch(() => undefined);
  }
}

/** Everything that may matter because it runs, or was released. */
export function digestsInUse(uses: readonly EnvironmentUse[]): readonly string[] {
  const digests = new Set<string>();
  for (const { releases, running = [] } of uses) {
    for (const release of releases) for (const digest of Object.values(release.digests)) digests.add(digest);
    for (const { digest } of running) if (digest !== undefined) digests.add(digest);
  }
  return [...digests];
}
