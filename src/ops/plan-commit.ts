import type { GitOid } from '../kernel/git-oid.ts';
import type { RepositoryName } from '../kernel/ids.ts';
import type { Event } from '../plan/event.ts';
import { planFor } from '../plan/make-plan.ts';
import { parsePipeline } from '../plan/parse.ts';
import type { Plan } from '../plan/plan.ts';
import type { Pipeline } from '../plan/schema.ts';
import { problemsText } from '../plan/problem-text.ts';
import type { World } from './world.ts';

export const pipelineFile = 'waybill.yaml';
const largestFile = 1024 * 1024;

export type Planned = { readonly ok: true; readonly plan: Plan; readonly text: string } | { readonly ok: false; readonly why: string };

export type ReadPipeline =
  | { readonly ok: true; readonly pipeline: Pipeline; readonly text: string }
  | { readonly ok: false; readonly why: string };

/** Reads the pipeline file of a commit and makes the plan for an event; what is wrong comes back as text for people. */
export async function planCommit(world: Pick<World, 'source'>, repository: RepositoryName, commit: GitOid, event: Event): Promise<Planned> {
  const read = await readPipeline(world, repository, commit);
  return read.ok ? { ok: true, plan: planFor(read.pipeline, event), text: read.text } : read;
}

/** The pipeline file of a commit, for whoever makes several plans of it. */
export async function readPipeline(world: Pick<World, 'source'>, repository: RepositoryName, commit: GitOid): Promise<ReadPipeline> {
  const bytes = await world.source.readFile(repository, commit, pipelineFile, { maxBytes: largestFile });
  if (!bytes)
    return {
      ok: false,
      why: `There is no ${pipelineFile} at the root of ${commit.slice(0, 12)}: nothing would be tested. Add one; waybill lint checks it.`,
    };
  const text = bytes.toString('utf8');
  const parsed = parsePipeline(text, pipelineFile);
  if (!parsed.ok) return { ok: false, why: problemsText(parsed.problems, text) };
  return { ok: true, pipeline: parsed.pipeline, text };
}
