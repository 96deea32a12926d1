import type { GitOid } from '../kernel/git-oid.ts';
import type { PersonId, RepositoryName } from '../kernel/ids.ts';
import { planCommit } from './plan-commit.ts';
import type { World } from './world.ts';

/** The one push past review that a repository begins with: recorded, tested, and never built into anything that runs. */
export async function startInitial(
  world: World,
  push: { repository: RepositoryName; commit: GitOid; tree: GitOid; person: PersonId },
): Promise<{ message: string }> {
  await world.ledger.append({
    kind: 'admin',
    subject: [`gitCommit:${push.commit}`, push.repository],
    body: { act: 'initial-push', repository: push.repository, commit: push.commit, person: push.person },
  });
  const planned = await planCommit(world, push.repository, push.commit, 'merge');
  if (!planned.ok) return { message: planned.why };
  const left = planned.plan.images.length + planned.plan.deploys.length;
  const run = await world.engine().submit({
    type: 'run-created',
    repository: push.repository,
    event: 'merge',
    commit: push.commit,
    tree: push.tree,
    reviewed: false,
    // Everything in it is from before: told, and the first thing that later scans are compared with.
    plan: { ...planned.plan, images: [], deploys: [], scans: { secrets: 'report', dependencies: 'report', image: 'report' } },
    notes:
      left > 0
        ? ['This commit was not reviewed: its images are not built and nothing is deployed. The first reviewed change does both.']
        : [],
    requestedBy: push.person,
  });
  return { message: `Run ${run}: ${world.url}/runs/${run}` };
}
