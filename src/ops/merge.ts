import type { ChangeId, RunId } from '../kernel/ids.ts';
import { isWaybillError } from '../kernel/error.ts';
import type { Person } from '../identity/person.ts';
import { findRuns } from '../run/queries.ts';
import type { Change, ChangeVersion, ReviewedCommit } from '../source/port.ts';
import { withLevelsBefore } from './levels-before.ts';
import { planBases, refusalText } from './plan-bases.ts';
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
  const { bases, refused, notes } = await planBases(world, merged, planned.plan, planned.text);
  if (refused.length > 0) await recordRefusal(world, `run of ${merged.commit}`, refusalText(refused));
  return world.engine().submit({
    type: 'run-created',
    repository: merged.repository,
    event: 'merge',
    commit: merged.commit,
    tree: merged.tree,
    reviewed: true,
    change: { id: merged.change, version: merged.version },
    plan: await withLevelsBefore(world, merged, planned.plan),
    bases,
    ...(refused.length > 0 ? { refused: refusalText(refused) } : {}),
    notes,
    requestedBy: merged.mergedBy,
  });
}

async function testsPassed(world: World, change: Change, version: ChangeVersion): Promise<{ ok: true } | { ok: false; reason: string }> {
  const [run] = await findRuns(world.store, { change: change.id, version: version.version, event: 'change', limit: 1 });
  if (!run) return { ok: false, reason: `version ${version.version} has no run: its pipeline file could not be read` };
  const { status, reason } = await world.journal.state(run.id);
  if (status === 'passed') return basesAllow(world, change, version);
  return {
    ok: false,
    reason: `run ${run.id} of version ${version.version} has the status ${status}${reason === undefined ? '' : ` (${reason})`}`,
  };
}

/** Nothing is merged that could not be built: a base that is missing or not allowed is told while the change can still be mended. */
async function basesAllow(world: World, change: Change, version: ChangeVersion): Promise<{ ok: true } | { ok: false; reason: string }> {
  const planned = await planCommit(world, change.repository, version.head, 'merge');
  if (!planned.ok) return { ok: false, reason: planned.why };
  const { refused } = await planBases(world, { repository: change.repository, commit: version.head }, planned.plan, planned.text);
  return refused.length === 0 ? { ok: true } : { ok: false, reason: refused.map((problem) => problem.split('\n', 1)[0]).join('; ') };
}
