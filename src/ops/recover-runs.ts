import type { RunId } from '../kernel/ids.ts';
import { findRuns } from '../run/queries.ts';
import { startMerged } from './merge.ts';
import { recordMissingMerges } from './record-merge.ts';
import { recordRelease } from './record-release.ts';
import type { World } from './world.ts';

/** More than can lie between a merge and the entry about it. */
const mergesAtMost = 100;

/** After a start: no run stays "running", no merge without its entry in the ledger and its run, no release half-done. */
export async function recoverRuns(world: World): Promise<ReadonlyMap<RunId, RunId>> {
  for (const id of await world.releases.abandon('the server stopped while it was going out')) {
    const release = await world.releases.get(id);
    if (release) await recordRelease(world, release, (await world.environments.get(release.environment))?.namespace);
  }
  const open = (await findRuns(world.store, { open: true, limit: 1000 })).map((run) => run.id).sort((a, b) => a - b);
  const replaced = await world.engine().recover(open);
  for (const repository of await world.source.listRepositories()) {
    const merges = await world.source.mergedCommits(repository.name, { limit: mergesAtMost });
    const [newest] = merges;
    if (!newest) continue;
    const recorded = await recordMissingMerges(world, merges);
    if (recorded > 0) world.logger.warn({ repository: repository.name, recorded }, 'merges were missing in the ledger and are in it now');
    const [run] = await findRuns(world.store, { repository: repository.name, commit: newest.commit, event: 'merge', limit: 1 });
    if (!run) await startMerged(world, newest);
  }
  return replaced;
}
