import { testResultType } from '../evidence/statements/tests.ts';
import type { RunId } from '../kernel/ids.ts';
import type { PlannedStage } from '../plan/plan.ts';
import type { RunCreated } from '../run/event.ts';
import { stateOf } from '../run/machine.ts';
import { findRuns } from '../run/queries.ts';
import type { World } from './world.ts';

/**
 * An earlier run that executed this very stage on this very tree, if a tests paper says so: for `change` stages in a `merge` plan, and for
 * every stage of a run that replaces an interrupted one.
 */
export async function findReusable(world: World, head: RunCreated, stage: PlannedStage): Promise<RunId | undefined> {
  if (!stage.reusable && head.replaces === undefined) return undefined;
  const papers = await world.attestations.findAttestations({ subject: `gitTree:${head.tree}`, predicateType: testResultType });
  if (papers.length === 0) return undefined;
  for (const run of await findRuns(world.store, { repository: head.repository, tree: head.tree })) {
    const events = await world.journal.events(run.id);
    const signed = events.some(({ event }) => event.type === 'paper-signed' && event.predicateType === testResultType);
    if (!signed) continue;
    const state = stateOf(events);
    const same = state.head.plan.stages.find((each) => each.name === stage.name);
    const executed = state.stages.find((each) => each.name === stage.name);
    if (executed?.status === 'passed' && JSON.stringify(same?.jobs) === JSON.stringify(stage.jobs)) return run.id;
  }
  return undefined;
}
