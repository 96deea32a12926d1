import type { Selectable } from 'kysely';
import type { Clock } from '../../kernel/clock.ts';
import { withDeadline } from '../../kernel/deadline.ts';
import { WaybillError } from '../../kernel/error.ts';
import { parseGitOid, type GitOid } from '../../kernel/git-oid.ts';
import type { ChangeId, PersonId } from '../../kernel/ids.ts';
import type { Identity } from '../../identity/identity.ts';
import { can } from '../../identity/roles.ts';
import type { Store } from '../../store/store.ts';
import { readPeople, type PeopleIndex } from '../people-index.ts';
import type { Change, ChangeVersion, ReviewedCommit } from '../port.ts';
import { judgeMerge, newestVersion, oneLine, type Approval } from '../review-rules.ts';
import type { SourceTables } from '../tables.ts';
import { parseMerge, publicChange, selectChange, type StoredChange } from './changes.ts';
import type { Git } from './git.ts';
import type { KeyedLock } from '../../kernel/keyed-lock.ts';
import { tipOf } from './range.ts';
import type { Repositories, StoredRepository } from './repositories.ts';
import type { Actor } from './reviewing.ts';

export type MergeOptions = {
  /** Whether the stages of the change passed on exactly this version. Asked while the repository is locked: answer soon. */
  testsPassed(change: Change, version: ChangeVersion): Promise<{ readonly ok: true } | { readonly ok: false; readonly reason: string }>;
};

export type Merging = {
  readonly store: Store;
  readonly identity: Pick<Identity, 'getPerson' | 'listPeople'>;
  readonly repositories: Pick<Repositories, 'byNumber'>;
  readonly git: Git;
  readonly clock: Clock;
  readonly locks: KeyedLock<number>;
  readonly requiredApprovals: number;
  /** Ends the wait for the answer about the tests. */
  readonly signal: AbortSignal;
};

const testsDeadline = 60_000;

/**
 * Merges the newest version mechanically, if every rule of review-rules.ts holds at this moment, under the repository's lock.
 *
 * The row and the ref agree after a crash at any point: an intent row is written first, then the ref moves by compare-and-swap, then
 * the row is done. `settleMerges` finishes or drops what was left by looking at the ref alone.
 * @throws WaybillError NOT_FOUND, FORBIDDEN, NOT_MERGEABLE, CONFLICT
 */
export async function mergeChange(parts: Merging, id: ChangeId, actor: Actor, options: MergeOptions): Promise<ReviewedCommit> {
  const { store, identity, git } = parts;
  const db = store.as<SourceTables>();
  const { repositoryNumber } = await selectChange(db, await readPeople(identity), id);
  using _held = await parts.locks.take(repositoryNumber);
  const repository = await parts.repositories.byNumber(repositoryNumber);
  if (repository.removed) throw new WaybillError('CONFLICT', `the repository ${repository.name} was removed`);
  await settleMerges(parts, repository);

  const merger = await identity.getPerson(actor.id);
  if (!can(merger, 'merge'))
    throw new WaybillError('FORBIDDEN', `${actor.id} may not merge`, { fix: 'Ask a reviewer, or an administrator for the role.' });
  const { change, approvals, people } = await judge(parts, id);
  const version = newestVersion(change);
  const tests = await answerOf(options, publicChange(change), version, parts.signal);
  if (!tests.ok)
    throw new WaybillError('NOT_MERGEABLE', oneLine(tests.reason), { fix: 'Wait for the stages, or push a version that passes.' });

  const made = await makeCommit(git, repository, change, version, approvals, people, parts.clock);
  // The answer about the tests took time. Roles may have changed in it; reviews and versions cannot, as they need the lock.
  const again = await judge(parts, id);
  if (!can(again.people.byId(actor.id), 'merge')) throw new WaybillError('FORBIDDEN', `${actor.id} may not merge`);
  const row: Selectable<SourceTables['merge']> = {
    change_id: id,
    repository_id: repository.number,
    version: version.version,
    base: version.base,
    head: version.head,
    reviewed_tree: version.tree,
    ...made,
    approvals: JSON.stringify(again.approvals),
    merged_by: actor.id,
    merged_at: parts.clock.now().toISOString(),
    state: 'intent',
  };
  await db.transaction().execute(async (trx) => {
    const now = await trx.selectFrom('change').select('state').where('id', '=', id).executeTakeFirstOrThrow();
    const newest = await trx
      .selectFrom('change_version')
      .select((e) => e.fn.max('version').as('version'))
      .where('change_id', '=', id)
      .executeTakeFirstOrThrow();
    if (now.state !== 'open' || newest.version !== version.version) throw new WaybillError('CONFLICT', `change ${id} moved on`);
    await trx.insertInto('merge').values(row).execute();
  });
  try {
    await git.run(repository.folder, [
      'update-ref',
      '-m',
      `merge change ${id}`,
      `refs/heads/${repository.protectedBranch}`,
      made.commit,
      made.onto,
    ]);
  } finally {
    await settleMerges(parts, repository);
  }
  return parseMerge(row, repository.name);
}

/** Finishes every intent whose commit is in the protected branch, drops the others. Called under the lock, or before anybody is served. */
export async function settleMerges(parts: Pick<Merging, 'store' | 'git'>, repository: StoredRepository): Promise<void> {
  const db = parts.store.as<SourceTables>();
  const intents = db.selectFrom('merge').selectAll().where('repository_id', '=', repository.number).where('state', '=', 'intent');
  for (const intent of await intents.execute()) {
    const tip = await tipOf(parts.git, repository.folder, repository.protectedBranch);
    const merged = tip !== undefined && (await isAncestor(parts.git, repository.folder, parseGitOid(intent.commit), tip));
    await db.transaction().execute(async (trx) => {
      if (!merged) {
        await trx.deleteFrom('merge').where('change_id', '=', intent.change_id).where('state', '=', 'intent').execute();
        return;
      }
      await trx.updateTable('merge').set({ state: 'done' }).where('change_id', '=', intent.change_id).execute();
      await trx.updateTable('change').set({ state: 'merged' }).where('id', '=', intent.change_id).execute();
    });
  }
}

/** False also when `ancestor` is no object of the repository: a commit whose making was not finished is in no branch. */
export async function isAncestor(git: Git, folder: string, ancestor: GitOid, descendant: GitOid): Promise<boolean> {
  const exists = await git.run(folder, ['cat-file', '-e', `${ancestor}^{commit}`], { answers: [1, 128] });
  if (exists.exitCode !== 0) return false;
  return (await git.run(folder, ['merge-base', '--is-ancestor', ancestor, descendant], { answers: [1] })).exitCode === 0;
}

async function judge(parts: Merging, id: ChangeId): Promise<{ change: StoredChange; approvals: readonly Approval[]; people: PeopleIndex }> {
  const people = await readPeople(parts.identity);
  const change = await selectChange(parts.store.as<SourceTables>(), people, id);
  if (change.state !== 'open') throw new WaybillError('CONFLICT', `change ${id} is ${change.state}`);
  const { obstacles, approvals } = judgeMerge(change, people, parts.requiredApprovals);
  if (obstacles.length > 0)
    throw new WaybillError('NOT_MERGEABLE', obstacles.map((each) => each.message).join('; '), {
      fix: obstacles.map((each) => each.fix).join(' '),
    });
  return { change, approvals, people };
}

async function answerOf(options: MergeOptions, change: Change, version: ChangeVersion, signal: AbortSignal) {
  using deadline = withDeadline(signal, testsDeadline, 'the answer whether the tests passed');
  const { promise: late, reject } = Promise.withResolvers<never>();
  deadline.signal.addEventListener('abort', () => reject(deadline.signal.reason), { once: true });
  return Promise.race([options.testsPassed(change, version), late]);
}

type Made = Pick<Selectable<SourceTables['merge']>, 'onto' | 'commit' | 'tree' | 'method'>;

async function makeCommit(
  git: Git,
  repository: StoredRepository,
  change: StoredChange,
  version: ChangeVersion,
  approvals: readonly Approval[],
  people: PeopleIndex,
  clock: Clock,
): Promise<Made> {
  const { folder, protectedBranch } = repository;
  const onto = await tipOf(git, folder, protectedBranch);
  if (!onto) throw new WaybillError('CONFLICT', `${protectedBranch} does not exist`);
  if (await isAncestor(git, folder, version.head, onto))
    throw new WaybillError('CONFLICT', `everything in change ${change.id} is in ${protectedBranch} already`, {
      fix: 'Abandon the change.',
    });
  const identical = onto === version.base;
  const tree = identical ? version.tree : await mergedTree(git, repository, onto, version.head);
  const seconds = Math.floor(clock.now().getTime() / 1000);
  const hand = { NAME: 'Waybill', EMAIL: 'waybill@localhost', DATE: `@${seconds} +0000` };
  const commit = await git.oid(folder, ['commit-tree', tree, '-p', onto, '-p', version.head, '-F', '-'], {
    input: messageOfMerge(change, approvals, people),
    env: Object.fromEntries(
      Object.entries(hand).flatMap(([key, value]) => [
        [`GIT_AUTHOR_${key}`, value],
        [`GIT_COMMITTER_${key}`, value],
      ]),
    ),
  });
  return { onto, commit, tree, method: identical ? 'identical' : 'mechanical-merge' };
}

/** gitformat of `merge-tree -z`: the tree, then the paths in conflict, each ended by NUL. */
async function mergedTree(git: Git, repository: StoredRepository, onto: GitOid, head: GitOid): Promise<GitOid> {
  const { exitCode, stdout } = await git.run(
    repository.folder,
    ['merge-tree', '--write-tree', '-z', '--name-only', '--no-messages', onto, head],
    { answers: [1] },
  );
  const [tree = '', ...paths] = stdout.split('\0').filter((each) => each !== '');
  if (exitCode === 0) return parseGitOid(tree);
  const named = paths.slice(0, 5).map((path) => oneLine(path));
  throw new WaybillError(
    'CONFLICT',
    `it conflicts with ${repository.protectedBranch} in ${named.join(', ')}${paths.length > 5 ? ` and ${paths.length - 5} more` : ''}`,
    { fix: `Rebase onto ${repository.protectedBranch} and push again: git push origin HEAD:refs/for/${repository.protectedBranch}` },
  );
}

function messageOfMerge(change: StoredChange, approvals: readonly Approval[], people: PeopleIndex): string {
  const line = ({ reviewer }: { reviewer: PersonId }) => {
    const person = people.byId(reviewer);
    return `Reviewed-by: ${person?.name ?? reviewer} <${person?.emails[0] ?? `${reviewer}@localhost`}>`;
  };
  return [`Merge change ${change.id}: ${change.title}`, '', `Change: ${change.id}`, ...approvals.map(line), ''].join('\n');
}
