import type { Clock } from '../../kernel/clock.ts';
import { WaybillError } from '../../kernel/error.ts';
import type { GitOid } from '../../kernel/git-oid.ts';
import type { ChangeId, PersonId } from '../../kernel/ids.ts';
import type { Identity } from '../../identity/identity.ts';
import { can } from '../../identity/roles.ts';
import type { Store } from '../../store/store.ts';
import { readPeople } from '../people-index.ts';
import type { Change, ChangeVersion } from '../port.ts';
import { newestVersion } from '../review-rules.ts';
import type { SourceTables } from '../tables.ts';
import { publicChange, selectChange, selectChanges } from './changes.ts';
import { findContinuation, type PushWish } from './continuation.ts';
import type { Git } from './git.ts';
import type { KeyedLock } from '../../kernel/keyed-lock.ts';
import { readRange } from './range.ts';
import type { StoredRepository } from './repositories.ts';

/** A push to `refs/for/<protected branch>` that became a version. `continued` says by which rule, for a change that was there. */
export type Proposal = { readonly change: Change; readonly version: ChangeVersion; readonly ref: string; readonly continued?: string };

export type Proposing = {
  readonly store: Store;
  readonly identity: Pick<Identity, 'getPerson' | 'listPeople'>;
  readonly git: Git;
  readonly clock: Clock;
  /** Per repository number. */
  readonly locks: KeyedLock<number>;
  /** Numbers of changes are unique in one Waybill. */
  readonly numbers: KeyedLock<'change'>;
};

/** @throws WaybillError FORBIDDEN, CONFLICT, LIMIT_EXCEEDED with a sentence for the pusher */
export async function propose(
  parts: Proposing,
  push: { readonly repository: StoredRepository; readonly person: PersonId; readonly head: GitOid; readonly wish: PushWish },
): Promise<Proposal> {
  const { store, identity, git } = parts;
  const { repository, head } = push;
  const db = store.as<SourceTables>();
  using _held = await parts.locks.take(repository.number);
  const person = await identity.getPerson(push.person);
  if (!person || !can(person, 'propose')) throw new WaybillError('FORBIDDEN', `${push.person} may not propose changes`);
  const range = await readRange(git, repository, head);
  const people = await readPeople(identity);
  const mine = await selectChanges(db, people, { repositoryNumber: repository.number, state: 'open', openedBy: person.id });
  const continued = findContinuation(range, push.wish, mine);

  using _numbers = await parts.numbers.take('change');
  const last = await db
    .selectFrom('change')
    .select((e) => e.fn.max('id').as('id'))
    .executeTakeFirst();
  const id = (continued?.change.id ?? (last?.id ?? 0) + 1) as ChangeId;
  const version = (continued ? newestVersion(continued.change).version : 0) + 1;
  // The ref first: one without a row is overwritten by the next change of this number, a row without a ref could not be fetched.
  const ref = `refs/changes/${id}/${version}`;
  await git.run(repository.folder, ['update-ref', ref, head]);
  await db.transaction().execute(async (trx) => {
    if (continued) {
      const open = await trx.selectFrom('change').select('state').where('id', '=', id).executeTakeFirstOrThrow();
      if (open.state !== 'open') throw new WaybillError('CONFLICT', `change ${id} is ${open.state}`);
      if (range.changeKey !== undefined)
        await trx.updateTable('change').set({ change_key: range.changeKey }).where('id', '=', id).execute();
    } else
      await trx
        .insertInto('change')
        .values({
          id,
          repository_id: repository.number,
          branch: repository.protectedBranch,
          title: range.title,
          state: 'open',
          opened_by: person.id,
          topic: push.wish.topic ?? null,
          change_key: range.changeKey ?? null,
        })
        .execute();
    await trx
      .insertInto('change_version')
      .values({
        change_id: id,
        version,
        base: range.base,
        head,
        tree: range.tree,
        pusher: person.id,
        pushed_at: parts.clock.now().toISOString(),
        hands: JSON.stringify(range.hands),
      })
      .execute();
  });
  const change = publicChange(await selectChange(db, people, id));
  return { change, version: newestVersion(change), ref, ...(continued ? { continued: continued.why } : {}) };
}
