import type { GitOid } from '../kernel/git-oid.ts';
import type { ChangeId, RepositoryName, RunId } from '../kernel/ids.ts';
import type { Event } from '../plan/event.ts';
import type { Store } from '../store/store.ts';
import type { RunTables } from './migrations.ts';

export type RunRow = {
  readonly id: RunId;
  readonly repository: RepositoryName;
  readonly event: Event;
  readonly commit: GitOid;
  readonly tree: GitOid;
  readonly change?: { readonly id: ChangeId; readonly version: number };
  readonly open: boolean;
  readonly createdAt: string;
};

export type RunFilter = {
  readonly repository?: RepositoryName;
  readonly change?: ChangeId;
  readonly version?: number;
  readonly tree?: GitOid;
  readonly commit?: GitOid;
  readonly event?: Event;
  readonly open?: boolean;
  /** Newest first, at most this many (default 50, limit 1000). */
  readonly limit?: number;
};

/** Runs by what they were made for, newest first. Status is not here: ask the journal. */
export async function findRuns(store: Store, filter: RunFilter = {}): Promise<readonly RunRow[]> {
  let query = store
    .as<RunTables>()
    .selectFrom('run')
    .selectAll()
    .orderBy('id', 'desc')
    .limit(Math.min(filter.limit ?? 50, 1000));
  if (filter.repository !== undefined) query = query.where('repository', '=', filter.repository);
  if (filter.change !== undefined) query = query.where('change_id', '=', filter.change);
  if (filter.version !== undefined) query = query.where('change_version', '=', filter.version);
  if (filter.tree !== undefined) query = query.where('tree_oid', '=', filter.tree);
  if (filter.commit !== undefined) query = query.where('commit_oid', '=', filter.commit);
  if (filter.event !== undefined) query = query.where('event', '=', filter.event);
  if (filter.open !== undefined) query = query.where('open', '=', filter.open ? 1 : 0);
  return (await query.execute()).map(rowOf);
}

/** Oldest first, behind one that is known. */
export async function runsAfter(store: Store, after: RunId, limit: number): Promise<readonly RunRow[]> {
  const query = store.as<RunTables>().selectFrom('run').selectAll().where('id', '>', after).orderBy('id').limit(Math.min(limit, 1000));
  return (await query.execute()).map(rowOf);
}

function rowOf(row: RunTables['run']): RunRow {
  return {
    id: row.id as RunId,
    repository: row.repository as RepositoryName,
    event: row.event as Event,
    commit: row.commit_oid as GitOid,
    tree: row.tree_oid as GitOid,
    ...(row.change_id === null || row.change_version === null
      ? {}
      : { change: { id: row.change_id as ChangeId, version: row.change_version } }),
    open: row.open === 1,
    createdAt: row.created_at,
  };
}
