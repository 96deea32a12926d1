import { WaybillError } from '../kernel/error.ts';
import type { RunId } from '../kernel/ids.ts';
import { basesOf, type BuildFacts, type ReviewFacts, type SourceFacts, type StageFacts } from '../evidence/facts.ts';
import type { RecordedEvent } from '../run/event.ts';
import type { Journal } from '../run/journal.ts';
import { stateOf } from '../run/machine.ts';
import type { RunState } from '../run/state.ts';
import type { ReviewedCommit } from '../source/port.ts';

/** Where the signer reads from: the journal and the record of merges, both opened read-only in its own process. */
export type FactsDeps = {
  readonly journal: Pick<Journal, 'events'>;
  reviewedCommit(repository: string, commit: string): Promise<(ReviewedCommit & { readonly authors: readonly string[] }) | undefined>;
  /** `refs/heads/main` of a repository. */
  protectedRef(repository: string): Promise<string>;
  readonly builderId: string;
};

const refused = (detail: string) => new WaybillError('VERDICT_REFUSED', detail);

export async function reviewFacts(deps: FactsDeps, run: RunId): Promise<ReviewFacts> {
  const state = stateOf(await deps.journal.events(run));
  const source = await sourceFacts(deps, state);
  const merged = await deps.reviewedCommit(state.head.repository, state.head.commit);
  if (!merged) throw refused(`commit ${state.head.commit} of run ${run} came by no reviewed merge`);
  if (merged.tree !== state.head.tree) throw refused(`run ${run} is of tree ${state.head.tree}, the merge made ${merged.tree}`);
  return {
    source,
    change: merged.change,
    version: merged.version,
    base: merged.base,
    head: merged.head,
    reviewedTree: merged.reviewedTree,
    onto: merged.onto,
    method: merged.method,
    approvals: merged.approvals.map(({ reviewer, at }) => ({ reviewer, at })),
    authors: merged.authors,
    mergedBy: merged.mergedBy,
    mergedAt: merged.mergedAt,
  };
}

/** What the journal shows of a stage: passed in this run, or in the run that it was reused from, on the same tree, in a sandbox. */
export async function stageFacts(deps: FactsDeps, run: RunId, name: string): Promise<StageFacts> {
  const state = stateOf(await deps.journal.events(run));
  const asked = state.stages.find((stage) => stage.name === name);
  if (!asked) throw refused(`run ${run} has no stage ${name}`);
  const executedIn = asked.status === 'reused' && asked.executedIn !== undefined ? asked.executedIn : run;
  const executed = executedIn === run ? state : stateOf(await deps.journal.events(executedIn));
  if (executed.head.repository !== state.head.repository || executed.head.tree !== state.head.tree) {
    throw refused(`stage ${name} of run ${run} was reused from run ${executedIn}, which is of another tree`);
  }
  const stage = executed.stages.find((each) => each.name === name);
  if (!stage || stage.status !== 'passed' || !stage.startedAt || !stage.finishedAt)
    throw refused(`stage ${name} has not passed in run ${executedIn}`);
  if (executedIn !== run && JSON.stringify(planned(executed, name)) !== JSON.stringify(planned(state, name))) {
    throw refused(`stage ${name} was another one in run ${executedIn}`);
  }
  const unsafe = stage.jobs.find((job) => job.sandboxed !== true);
  if (unsafe) throw refused(`job ${unsafe.name} ran without a sandbox: nothing is signed for it`);
  return {
    source: await sourceFacts(deps, state),
    run,
    stage: name,
    executedIn,
    jobs: stage.jobs.map((job) => ({ name: job.name, steps: job.steps.length, status: 'passed' as const })),
    startedAt: stage.startedAt,
    finishedAt: stage.finishedAt,
  };
}

const planned = (state: RunState, name: string) => state.head.plan.stages.find((stage) => stage.name === name)?.jobs;

export async function buildFacts(deps: FactsDeps, run: RunId, name: string): Promise<BuildFacts> {
  const events = await deps.journal.events(run);
  const state = stateOf(events);
  if (!state.head.reviewed) throw refused(`run ${run} is of a commit that was not reviewed`);
  const definition = state.head.plan.images.find((image) => image.name === name);
  const started = find(events, 'image-started', name);
  const built = find(events, 'image-built', name);
  const pushed = find(events, 'image-pushed', name);
  if (!definition || !started || !built || !pushed) throw refused(`run ${run} has not built and pushed an image ${name}`);
  if (built.event.digest !== pushed.event.digest) throw refused(`run ${run} built ${built.event.digest} and pushed ${pushed.event.digest}`);
  if ((definition.dockerfile === undefined) !== (built.event.dockerfile === undefined))
    throw refused(`image ${name} of run ${run} was not built as its plan says`);
  for (const { reference, digest } of basesOf(built.event)) {
    const recorded = state.bases.find((base) => base.reference === reference);
    if (state.head.bases !== undefined && recorded?.digest !== digest)
      throw refused(
        `image ${name} of run ${run} is built upon ${digest}, and the run's ${reference} is ${recorded?.digest ?? 'not recorded'}`,
      );
  }
  if (!built.event.sandboxed) throw refused(`image ${name} was built without a sandbox: nothing is signed for it`);
  return {
    source: await sourceFacts(deps, state),
    run,
    image: { name, repository: pushed.event.repository, digest: built.event.digest },
    definition,
    ...(built.event.base ? { base: built.event.base } : {}),
    ...(built.event.dockerfile ? { dockerfile: built.event.dockerfile } : {}),
    layers: built.event.layers.map(({ diffId, digest, from, to }) => ({ diffId, digest, from, to })),
    compressor: built.event.compressor,
    builder: deps.builderId,
    startedAt: started.at,
    finishedAt: built.at,
  };
}

/** Every stage of the run's plan must have a paper before its image gets a summary. */
export async function requiredStages(deps: FactsDeps, run: RunId): Promise<string[]> {
  const state = stateOf(await deps.journal.events(run));
  return state.head.plan.stages.map((stage) => stage.name);
}

export async function sourceFacts(deps: FactsDeps, state: RunState): Promise<SourceFacts> {
  const { repository, commit, tree, event, change } = state.head;
  const ref = event === 'change' && change ? `refs/changes/${change.id}/${change.version}` : await deps.protectedRef(repository);
  return { repository, commit, tree, ref };
}

type ImageEvent = 'image-started' | 'image-built' | 'image-pushed';

function find<T extends ImageEvent>(events: readonly RecordedEvent[], type: T, image: string) {
  for (const { at, event } of events) {
    if (event.type === type && 'image' in event && event.image === image)
      return { at, event: event as Extract<RecordedEvent['event'], { type: T }> };
  }
  return undefined;
}
