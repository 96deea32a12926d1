import { WaybillError } from '../kernel/error.ts';
import { planFor } from '../plan/make-plan.ts';
import type { Plan } from '../plan/plan.ts';
import { defaultScans } from '../plan/scan-levels.ts';
import { findRuns } from '../run/queries.ts';
import type { Change, ChangeVersion } from '../source/port.ts';
import { oneLine } from '../source/review-rules.ts';
import { planBases, refusalText } from './plan-bases.ts';
import { readPipeline } from './plan-commit.ts';
import type { World } from './world.ts';

/** A version of a change has arrived: its run starts, the run of the older version ends. Returns what the pusher reads in the terminal. */
export async function propose(world: World, change: Change, version: ChangeVersion): Promise<{ message: string }> {
  for (const run of await findRuns(world.store, { change: change.id, event: 'change', open: true })) {
    await world
      .engine()
      .cancel(run.id, version.pusher, `version ${version.version} of change ${change.id} was pushed`)
      .catch((error: unknown) => {
        // It may have ended in between; anything else is worth a line.
        if (!(error instanceof WaybillError && error.code === 'CONFLICT')) throw error;
      });
  }
  const read = await readPipeline(world, change.repository, version.head);
  if (!read.ok) return { message: `${read.why}\nChange ${change.id} cannot be merged before its pipeline file can be read.` };
  const plan = await withScansOfBase(world, change, version, planFor(read.pipeline, 'change'));
  const merged = planFor(read.pipeline, 'merge');
  const { refused } = await planBases(world, { repository: change.repository, commit: version.head }, merged, read.text);
  const warnings = [
    ...(await foresee(world, version, merged)),
    ...refused.map((problem) => `${problem}\nThe change cannot be merged as long as this holds: its images could not be built.`),
  ];
  const run = await world.engine().submit({
    type: 'run-created',
    repository: change.repository,
    event: 'change',
    commit: version.head,
    tree: version.tree,
    reviewed: false,
    change: { id: change.id, version: version.version },
    plan,
    notes: [
      ...(plan.stages.length === 0 ? ['No stage is on `change`: nothing was tested before the review.'] : []),
      ...(refused.length > 0 ? [`The change cannot be merged: its images could not be built.\n${refusalText(refused)}`] : []),
    ],
    requestedBy: version.pusher,
  });
  return {
    message: [`Run ${run}: ${world.url}/runs/${run}`, `Change ${change.id}: ${world.url}/changes/${change.id}`, ...warnings].join('\n'),
  };
}

/** What a change may fail on says the file of the branch that it is proposed for: no change relaxes its own scan. */
async function withScansOfBase(world: World, change: Change, version: ChangeVersion, plan: Plan): Promise<Plan> {
  const base = await readPipeline(world, change.repository, version.base);
  const { scans, ...rest } = plan;
  if (scans === undefined) return rest;
  const before = base.ok ? planFor(base.pipeline, 'change').scans : undefined;
  return { ...rest, scans: before ?? defaultScans };
}

/** What will stand in the way later, said now: while it is cheap to mend. */
async function foresee(world: World, version: ChangeVersion, merged: Plan): Promise<string[]> {
  const strangers = version.hands.flatMap((hand) => (hand.role === 'committer' && hand.person === undefined ? [hand.email] : []));
  const warnings = [...new Set(strangers)].map(
    (email) =>
      `Warning: the committer's address ${oneLine(email)} belongs to no known person, so the change cannot be merged. Set user.email and make the commit again, or ask an administrator: waybill user change NAME --email ADDRESS`,
  );
  for (const { environment } of merged.deploys) {
    if (await world.environments.get(environment)) continue;
    warnings.push(
      `Warning: there is no environment ${environment}, so the deploy after the merge would fail. waybill environment list shows what there is.`,
    );
  }
  return warnings;
}
