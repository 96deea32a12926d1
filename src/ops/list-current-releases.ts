import type { Release } from '../deploy/releases.ts';
import type { World } from './world.ts';

export type CurrentRelease = { readonly environment: string; readonly where: string; readonly release?: Release };

const newest = 200;

/** What runs where: each environment with the newest ready release of every repository; an empty environment stands alone. */
export async function listCurrentReleases(world: Pick<World, 'environments' | 'releases'>): Promise<CurrentRelease[]> {
  const environments = await world.environments.list();
  const all = await Promise.all(
    environments.map(async ({ name, kind, namespace }): Promise<CurrentRelease[]> => {
      const place = { environment: name, where: kind === 'local' ? 'this host' : `namespace ${namespace}` };
      const current = new Map<string, Release>();
      for (const release of await world.releases.list({ environment: name, limit: newest }))
        if (release.status === 'ready' && !current.has(release.repository)) current.set(release.repository, release);
      return current.size === 0 ? [place] : [...current.values()].map((release) => ({ ...place, release }));
    }),
  );
  return all.flat();
}
