import { z } from 'zod';
import { indexPeople } from './people-index.ts';
import type { Person } from '../identity/person.ts';
import type { RepositoryName } from '../kernel/ids.ts';
import type { Store } from '../store/store.ts';
import { parseMerge } from './local/changes.ts';
import type { ReviewedCommit } from './port.ts';
import type { SourceTables } from './tables.ts';

const hands = z.array(z.object({ email: z.string() }));

/**
 * The merge that made a commit, with its authors by the rule that the approvals were judged by (review-rules.ts): who pushed any version, and
 * who has a hand in the merged one. For readers that have no repositories at hand (the signer). Authors are people where the address is known,
 * addresses where not.
 */
export async function readMergedCommit(
  store: Store,
  people: readonly Person[],
  name: string,
  commit: string,
): Promise<(ReviewedCommit & { readonly authors: readonly string[] }) | undefined> {
  const db = store.as<SourceTables>();
  const row = await db
    .selectFrom('merge')
    .innerJoin('source_repository', 'source_repository.id', 'merge.repository_id')
    .selectAll('merge')
    .where('source_repository.name', '=', name)
    .where('source_repository.removed_at', 'is', null)
    .where('merge.commit', '=', commit)
    .where('merge.state', '=', 'done')
    .executeTakeFirst();
  if (!row) return undefined;
  const versions = await db
    .selectFrom('change_version')
    .select(['version', 'pusher', 'hands'])
    .where('change_id', '=', row.change_id)
    .execute();
  const known = indexPeople(people);
  const authors = versions.flatMap((version) => [
    version.pusher,
    ...(version.version === row.version
      ? hands.parse(JSON.parse(version.hands)).map(({ email }) => known.byEmail(email)?.id ?? email)
      : []),
  ]);
  return { ...parseMerge(row, name as RepositoryName), authors: [...new Set(authors)].sort() };
}

/** The protected branch of a repository, as a ref. */
export async function readProtectedRef(store: Store, name: string): Promise<string> {
  const db = store.as<SourceTables>();
  const row = await db
    .selectFrom('source_repository')
    .select('protected_branch')
    .where('name', '=', name)
    .where('removed_at', 'is', null)
    .executeTakeFirstOrThrow();
  return `refs/heads/${row.protected_branch}`;
}
