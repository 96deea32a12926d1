import type { RunRowView, RunView } from '../api/run-views.ts';
import type { ChangeId, RepositoryName, RunId } from '../kernel/ids.ts';
import { stateOf } from '../run/machine.ts';
import { findRuns, type RunFilter } from '../run/queries.ts';
import type { World } from './world.ts';

/** A run as people and programs see it: its state, folded from the journal, and the papers that it left. */
export async function showRun(world: World, id: RunId): Promise<RunView> {
  const events = await world.journal.events(id);
  const state = stateOf(events);
  const { head } = state;
  // Of later looks at an image only the newest is shown; the page of the image has all.
  const newest = new Set(state.images.flatMap(({ rescanned }) => rescanned?.record ?? []));
  return {
    id,
    repository: head.repository,
    event: head.event,
    commit: head.commit,
    tree: head.tree,
    reviewed: head.reviewed,
    requestedBy: head.requestedBy,
    ...(head.change ? { change: { ...head.change } } : {}),
    ...(head.replaces === undefined ? {} : { replaces: head.replaces }),
    status: state.status,
    ...(state.reason === undefined ? {} : { reason: state.reason }),
    createdAt: state.createdAt,
    ...(state.finishedAt === undefined ? {} : { finishedAt: state.finishedAt }),
    notes: [...state.notes],
    ...(state.bases.length > 0 ? { bases: state.bases.map(({ reference, digest }) => ({ reference, digest })) } : {}),
    stages: state.stages.map((stage) => ({ ...stage, jobs: stage.jobs.map((job) => ({ ...job, steps: [...job.steps] })) })),
    scans: state.scans.map((scan) => ({ ...scan })),
    images: state.images.map(({ repository, published, ...image }) => ({
      ...image,
      ...(published ? { published: [...published] } : {}),
      ...(repository !== undefined && image.digest !== undefined
        ? { reference: `${world.registryName}/${repository}@${image.digest}` }
        : {}),
    })),
    deploys: state.deploys.map(({ endpoints, ...deploy }) => ({ ...deploy, ...(endpoints ? { endpoints: [...endpoints] } : {}) })),
    compared: state.compared.map((each) => ({ ...each, found: { ...each.found } })),
    papers: events.flatMap(({ at, event }) =>
      event.type === 'paper-signed' && (event.record === undefined || newest.has(event.record))
        ? [{ predicateType: event.predicateType, subject: event.subject, ledgerIndex: event.ledgerIndex, at }]
        : [],
    ),
  };
}

export async function listRuns(world: World, filter: { repository?: string; change?: number; limit?: number }): Promise<RunRowView[]> {
  const wanted: RunFilter = {
    ...(filter.repository === undefined ? {} : { repository: filter.repository as RepositoryName }),
    ...(filter.change === undefined ? {} : { change: filter.change as ChangeId }),
    ...(filter.limit === undefined ? {} : { limit: filter.limit }),
  };
  const rows = await findRuns(world.store, wanted);
  return Promise.all(
    rows.map(async ({ open: _open, tree: _tree, ...row }) => ({
      ...row,
      ...(row.change ? { change: { ...row.change } } : {}),
      status: await world.journal.status(row.id),
    })),
  );
}
