import type { Kysely, Selectable } from 'kysely';
import { z } from 'zod';
import { WaybillError } from '../../kernel/error.ts';
import { parseGitOid } from '../../kernel/git-oid.ts';
import type { ChangeId, PersonId, RepositoryName } from '../../kernel/ids.ts';
import type { PeopleIndex } from '../people-index.ts';
import type { Change, ChangeState, ChangeVersion, Hand, ReviewedCommit } from '../port.ts';
import { newestVersion, speaksOf } from '../review-rules.ts';
import type { SourceTables } from '../tables.ts';

/** A change with what only this folder asks for. */
export type StoredChange = Change & {
  readonly repositoryNumber: number;
  readonly openedBy: PersonId;
  readonly topic: string | undefined;
  readonly changeKey: string | undefined;
};

export type ChangeFilter = {
  readonly id?: ChangeId;
  readonly repositoryNumber?: number;
  readonly state?: ChangeState;
  readonly openedBy?: PersonId;
  readonly limit?: number;
};

/** Newest first. Whose hands they were is asked of `people` now: an address that became known since counts. */
export async function selectChanges(db: Kysely<SourceTables>, people: PeopleIndex, filter: ChangeFilter): Promise<StoredChange[]> {
  let query = db
    .selectFrom('change')
    .innerJoin('source_repository', 'source_repository.id', 'change.repository_id')
    .selectAll('change')
    .select('source_repository.name as repository')
    .orderBy('change.id', 'desc');
  if (filter.id !== undefined) query = query.where('change.id', '=', filter.id);
  if (filter.repositoryNumber !== undefined) query = query.where('change.repository_id', '=', filter.repositoryNumber);
  if (filter.state !== undefined) query = query.where('change.state', '=', filter.state);
  if (filter.openedBy !== undefined) query = query.where('change.opened_by', '=', filter.openedBy);
  if (filter.limit !== undefined) query = query.limit(filter.limit);
  const rows = await query.execute();
  if (rows.length === 0) return [];
  const ids = rows.map((row) => row.id);
  const versions = await db.selectFrom('change_version').selectAll().where('change_id', 'in', ids).orderBy('version').execute();
  const reviews = await db.selectFrom('review').selectAll().where('change_id', 'in', ids).orderBy('id').execute();
  const merges = await db.selectFrom('merge').selectAll().where('change_id', 'in', ids).where('state', '=', 'done').execute();
  const versionsOf = Map.groupBy(versions, (row) => row.change_id);
  const reviewsOf = Map.groupBy(reviews, (row) => row.change_id);
  const mergeOf = new Map(merges.map((row) => [row.change_id, row]));
  return rows.map((row) => {
    const parsed = (versionsOf.get(row.id) ?? []).map((each) => parseVersion(each, people));
    const newest = newestVersion({ versions: parsed });
    const merge = mergeOf.get(row.id);
    return {
      id: row.id as ChangeId,
      repository: row.repository as RepositoryName,
      repositoryNumber: row.repository_id,
      branch: row.branch,
      title: row.title,
      state: row.state,
      openedBy: row.opened_by as PersonId,
      topic: row.topic ?? undefined,
      changeKey: row.change_key ?? undefined,
      versions: parsed,
      reviews: (reviewsOf.get(row.id) ?? []).map((each) => {
        const review = {
          change: row.id as ChangeId,
          version: each.version,
          base: parseGitOid(each.base),
          head: parseGitOid(each.head),
          tree: parseGitOid(each.tree),
          reviewer: each.reviewer as PersonId,
          verdict: each.verdict,
          comment: each.comment,
          at: each.at,
        };
        return { ...review, current: speaksOf(review, newest) };
      }),
      ...(merge ? { merge: parseMerge(merge, row.repository as RepositoryName) } : {}),
    };
  });
}

/** @throws WaybillError NOT_FOUND */
export async function selectChange(db: Kysely<SourceTables>, people: PeopleIndex, id: ChangeId): Promise<StoredChange> {
  const [change] = Number.isSafeInteger(id) ? await selectChanges(db, people, { id }) : [];
  if (!change) throw new WaybillError('NOT_FOUND', `no change ${String(id).slice(0, 20)}`);
  return change;
}

const approvalsSchema = z.array(z.object({ reviewer: z.string(), at: z.string() }));

export function parseMerge(row: Selectable<SourceTables['merge']>, repository: RepositoryName): ReviewedCommit {
  return {
    repository,
    change: row.change_id as ChangeId,
    version: row.version,
    base: parseGitOid(row.base),
    head: parseGitOid(row.head),
    reviewedTree: parseGitOid(row.reviewed_tree),
    onto: parseGitOid(row.onto),
    commit: parseGitOid(row.commit),
    tree: parseGitOid(row.tree),
    method: row.method,
    approvals: approvalsSchema.parse(JSON.parse(row.approvals)).map((each) => ({ reviewer: each.reviewer as PersonId, at: each.at })),
    mergedBy: row.merged_by as PersonId,
    mergedAt: row.merged_at,
  };
}

const handsSchema = z.array(z.object({ role: z.enum(['author', 'committer']), name: z.string(), email: z.string(), commit: z.string() }));

function parseVersion(row: Selectable<SourceTables['change_version']>, people: PeopleIndex): ChangeVersion {
  return {
    version: row.version,
    base: parseGitOid(row.base),
    head: parseGitOid(row.head),
    tree: parseGitOid(row.tree),
    pusher: row.pusher as PersonId,
    pushedAt: row.pushed_at,
    hands: handsSchema.parse(JSON.parse(row.hands)).map((hand): Hand => {
      const person = people.byEmail(hand.email);
      return { ...hand, commit: parseGitOid(hand.commit), ...(person ? { person: person.id } : {}) };
    }),
  };
}

/** Without what only this folder asks for. */
export function publicChange(change: StoredChange): Change {
  const { repositoryNumber: _number, openedBy: _openedBy, topic: _topic, changeKey: _changeKey, ...rest } = change;
  return rest;
}
