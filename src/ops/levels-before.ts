import type { GitOid } from '../kernel/git-oid.ts';
import type { RepositoryName } from '../kernel/ids.ts';
import { planFor } from '../plan/make-plan.ts';
import type { Plan } from '../plan/plan.ts';
import { readPipeline } from './plan-commit.ts';
import type { World } from './world.ts';

/**
 * The plan of a merged commit with the levels that the branch had before it besides its own, of scans and of deploys: a change that relaxes or takes away a level does not profit
 * from that itself, and one that sets a level is the first to be held to it. The same plan where the pipeline file of then cannot be read.
 */
export async function withLevelsBefore(
  world: Pick<World, 'source'>,
  merged: { readonly repository: RepositoryName; readonly onto: GitOid },
  plan: Plan,
): Promise<Plan> {
  const read = await readPipeline(world, merged.repository, merged.onto);
  if (!read.ok) return plan;
  const before = planFor(read.pipeline, 'merge');
  const levels = new Map(before.deploys.map(({ environment, fail = [] }) => [environment, fail]));
  return {
    ...plan,
    ...(before.scans ? { scansBefore: before.scans } : {}),
    deploys: plan.deploys.map((deploy) => {
      const fail = [...new Set([...(deploy.fail ?? []), ...(levels.get(deploy.environment) ?? [])])];
      return fail.length === 0 ? deploy : { ...deploy, fail };
    }),
  };
}
