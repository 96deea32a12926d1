import type { ChangeView } from '../api/change-views.ts';
import { findRuns } from '../run/queries.ts';
import type { Change } from '../source/port.ts';
import type { World } from './world.ts';

/** A change as people and programs see it, with its runs, newest first. */
export async function showChange(world: World, change: Change): Promise<ChangeView> {
  const runs = await findRuns(world.store, { change: change.id });
  return {
    id: change.id,
    repository: change.repository,
    branch: change.branch,
    title: change.title,
    state: change.state,
    versions: change.versions.map(({ version, base, head, tree, pusher, pushedAt }) => ({ version, base, head, tree, pusher, pushedAt })),
    reviews: change.reviews.map(({ reviewer, verdict, version, current, comment, at }) => ({
      reviewer,
      verdict,
      version,
      current,
      comment,
      at,
    })),
    runs: await Promise.all(
      runs.map(async (run) => ({
        id: run.id,
        event: run.event,
        version: run.change?.version ?? 0,
        status: await world.journal.status(run.id),
      })),
    ),
    ...(change.merge
      ? {
          merge: {
            commit: change.merge.commit,
            tree: change.merge.tree,
            method: change.merge.method,
            mergedBy: change.merge.mergedBy,
            mergedAt: change.merge.mergedAt,
          },
        }
      : {}),
  };
}
