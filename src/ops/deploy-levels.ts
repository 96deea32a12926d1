import type { GitOid } from '../kernel/git-oid.ts';
import type { RepositoryName } from '../kernel/ids.ts';
import { planFor } from '../plan/make-plan.ts';
import type { Plan } from '../plan/plan.ts';
import { readPipeline } from './plan-commit.ts';
import type { World } from './world.ts';

/**
 * Each deploy of a merged commit is held to the level of its environment in the branch as it was, besides its own: a change that relaxes or takes away a level does not profit
 * from that itself, and one that sets a level is the first to be held to it.
 */
export async function withDeployLevels(
  world: Pick<World, 'source'>,
  merged: { readonly repository: RepositoryName; readonly onto: GitOid },
  plan: Plan,
): Promise<Plan> {
  if (plan.deploys.length === 0) return plan;
  const before = await readPipeline(world, merged.repository, merged.onto);
  if (!before.ok) return plan;
  const levels = new Map(planFor(before.pipeline, 'merge').deploys.map(({ environment, fail = [] }) => [environment, fail]));
  return {
    ...plan,
    deploys: plan.deploys.map((deploy) => {
      const fail = [...new Set([...(deploy.fail ?? []), ...(levels.get(deploy.environment) ?? [])])];
      return fail.length === 0 ? deploy : { ...deploy, fail };
    }),
  };
}
