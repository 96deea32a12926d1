import type { Release } from '../deploy/releases.ts';
import type { World } from './world.ts';

/** A release that has ended, as it stands in the ledger. @param namespace of its environment, if that is still known */
export async function recordRelease(world: Pick<World, 'ledger'>, release: Release, namespace: string | undefined): Promise<void> {
  await world.ledger.append({
    kind: 'release',
    subject: [`gitCommit:${release.commit}`, `environment:${release.environment}`, ...new Set(Object.values(release.digests))],
    body: {
      release: release.id,
      environment: release.environment,
      ...(namespace === undefined ? {} : { namespace }),
      repository: release.repository,
      run: release.run,
      commit: release.commit,
      manifestDigest: release.manifestDigest,
      digests: { ...release.digests },
      status: release.status,
      ...(release.why === undefined ? {} : { why: release.why.slice(0, 10_000) }),
    },
  });
}
