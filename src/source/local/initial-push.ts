import type { Clock } from '../../kernel/clock.ts';
import { WaybillError } from '../../kernel/error.ts';
import { parseGitOid, zeroOid, type GitOid } from '../../kernel/git-oid.ts';
import type { PersonId } from '../../kernel/ids.ts';
import type { Identity } from '../../identity/identity.ts';
import { can } from '../../identity/roles.ts';
import type { Store } from '../../store/store.ts';
import type { SourceTables } from '../tables.ts';
import type { Git } from './git.ts';
import type { KeyedLock } from '../../kernel/keyed-lock.ts';
import { tipOf } from './range.ts';
import type { StoredRepository } from './repositories.ts';

type Parts = {
  readonly store: Store;
  readonly identity: Pick<Identity, 'getPerson'>;
  readonly git: Git;
  readonly clock: Clock;
  readonly locks: KeyedLock<number>;
};

/**
 * The one unreviewed commit: an administrator's first push to a repository without a protected branch. Recorded as an intent, then the
 * ref is made, then the intent is done, as with merges.
 * @throws WaybillError FORBIDDEN with a sentence for the pusher
 */
export async function pushInitial(
  parts: Parts,
  push: { readonly repository: StoredRepository; readonly person: PersonId; readonly head: GitOid },
): Promise<void> {
  const { repository, head } = push;
  const { protectedBranch, folder, number } = repository;
  const db = parts.store.as<SourceTables>();
  using _held = await parts.locks.take(number);
  await settleInitialPush(parts, repository);
  const done = await db.selectFrom('initial_push').selectAll().where('repository_id', '=', number).executeTakeFirst();
  if (done || (await tipOf(parts.git, folder, protectedBranch))) throw reviewedOnly(protectedBranch);
  const person = await parts.identity.getPerson(push.person);
  if (!person || !can(person, 'manage'))
    throw new WaybillError('FORBIDDEN', `this repository is empty, and ${push.person} is no administrator`, {
      fix: 'An administrator makes the first push; after it, propose changes.',
    });
  if ((await parts.git.run(folder, ['cat-file', '-t', head])).stdout.trim() !== 'commit')
    throw new WaybillError('FORBIDDEN', 'what was pushed is not a commit', { fix: 'Push a commit, not a tag or another object.' });
  const at = parts.clock.now().toISOString();
  await db.insertInto('initial_push').values({ repository_id: number, commit: head, person: person.id, at, state: 'intent' }).execute();
  try {
    await parts.git.run(folder, ['update-ref', '-m', 'initial push', `refs/heads/${protectedBranch}`, head, zeroOid]);
  } finally {
    await settleInitialPush(parts, repository);
  }
}

/** Finishes or drops an intent by looking at the ref. */
export async function settleInitialPush(parts: Pick<Parts, 'store' | 'git'>, repository: StoredRepository): Promise<void> {
  const db = parts.store.as<SourceTables>();
  const intents = db.selectFrom('initial_push').selectAll().where('repository_id', '=', repository.number).where('state', '=', 'intent');
  const intent = await intents.executeTakeFirst();
  if (!intent) return;
  const moved = (await tipOf(parts.git, repository.folder, repository.protectedBranch)) === parseGitOid(intent.commit);
  if (moved) await db.updateTable('initial_push').set({ state: 'done' }).where('repository_id', '=', repository.number).execute();
  else await db.deleteFrom('initial_push').where('repository_id', '=', repository.number).where('state', '=', 'intent').execute();
}

export function reviewedOnly(protectedBranch: string): WaybillError {
  return new WaybillError('FORBIDDEN', `${protectedBranch} takes reviewed changes only: git push origin HEAD:refs/for/${protectedBranch}`, {
    fix: `git push origin HEAD:refs/for/${protectedBranch}`,
  });
}
