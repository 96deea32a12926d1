import type { ChangeId, RunId } from '../kernel/ids.ts';
import { isWaybillError } from '../kernel/error.ts';
import type { Person } from '../identity/person.ts';
import { findRuns } from '../run/queries.ts';
import type { Change, ChangeVersion, ReviewedCommit } from '../source/port.ts';
import { planCommit } from './plan-commit.ts';
import { recordMerge } from './record-merge.ts';
import { recordRefusal } from './record-refusal.ts';
import type { World } from './world.ts';

/** Merges a change that is approved and whose newest version passed; then the run of the merged commit starts. */
export async function merge(world: World, id: ChangeId, person: Person): Promise<{ merged: ReviewedCommit; run: RunId | undefined }> {
  let merged: ReviewedCommit;
  try {
    merged = await world.source.merge(id, person, { testsPassed: (change, version) => testsPassed(world, change, version) });
  } catch (error) {
    if (isWaybillError(error, 'FORBIDDEN', 'CONFLICT')) await recordRefusal(world, `merge of change ${id} by ${person.id}`, error.detail);
    throw error;
  }
  await recordMerge(world, merged);
  return { merged, run: await startMerged(world, merged) };
}

/** The run of a merged commit. Also called at a start, for a merge whose run a crash has prevented. */
export async function startMerged(world: World, merged: ReviewedCommit): Promise<RunId | undefined> {
  const planned = await planCommit(world, merged.repository, merged.commit, 'merge');
  if (!planned.ok) {
    await recordRefusal(world, `run of ${merged.commit}`, planned.why);
    return undefined;
  }
  return world.engine().submit({
    type: 'run-created',
    repository: merged.repository,
    event: 'merge',
    commit: merged.commit,
    tree: merged.tree,
    reviewed: true,
    change: { id: merged.change, version: merged.version },
    plan: planned.plan,
    notes: [],
    requestedBy: merged.mergedBy,
  });
}

async function testsPassed(world: World, change: Change, version: ChangeVersion): Promise<{ ok: true } | { ok: false; reason: string }> {
  const [run] = await findRuns(world.store, { change: change.id, version: version.version, event: 'change', limit: 1 });
  if (!run) return { ok: false, reason: `version ${version.version} has no run: its pipeline file could not be read` };
  const { status, reason } = await world.journal.state(run.id);
  if (status === 'passed') return { ok: true };
  return {
    ok: false,
    reason: `run ${run.id} of version ${version.version} has the status ${status}${reason === undefined ? '' : ` (${reason})`}`,
  };
}
