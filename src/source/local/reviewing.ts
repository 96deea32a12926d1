import type { Clock } from '../../kernel/clock.ts';
import { WaybillError } from '../../kernel/error.ts';
import type { GitOid } from '../../kernel/git-oid.ts';
import type { ChangeId } from '../../kernel/ids.ts';
import type { Identity } from '../../identity/identity.ts';
import type { Person } from '../../identity/person.ts';
import { can } from '../../identity/roles.ts';
import type { Store } from '../../store/store.ts';
import { readPeople } from '../people-index.ts';
import type { Change, Review } from '../port.ts';
import { newestVersion, reviewerObstacle } from '../review-rules.ts';
import type { SourceTables } from '../tables.ts';
import { publicChange, selectChange, type StoredChange } from './changes.ts';
import type { KeyedLock } from '../../kernel/keyed-lock.ts';

/** Somebody whose role and activity are looked up again; a `Person` fits. */
export type Actor = Pick<Person, 'id'>;

export type ReviewOptions = {
  readonly comment?: string;
  /** The head that the reviewer looked at: refused when the change moved on. */
  readonly expect?: { readonly head: GitOid };
};

type Parts = {
  readonly store: Store;
  readonly identity: Pick<Identity, 'getPerson' | 'listPeople'>;
  readonly clock: Clock;
  readonly locks: KeyedLock<number>;
};

const maxComment = 10_000;

/** An approval or a rejection of the newest version. @throws WaybillError NOT_FOUND, CONFLICT, FORBIDDEN, LIMIT_EXCEEDED */
export async function reviewChange(
  parts: Parts,
  id: ChangeId,
  actor: Actor,
  verdict: Review['verdict'],
  options: ReviewOptions,
): Promise<Change> {
  const comment = options.comment ?? '';
  if (comment.length > maxComment) throw new WaybillError('LIMIT_EXCEEDED', `a comment has at most ${maxComment} characters`);
  return whileOpen(parts, id, async (change, people) => {
    const version = newestVersion(change);
    if (options.expect && options.expect.head !== version.head)
      throw new WaybillError('CONFLICT', `change ${id} is at ${version.head} (version ${version.version}) now`, {
        fix: 'Look at the new version, then review that.',
      });
    const obstacle = reviewerObstacle(change, people.byId(actor.id), people);
    if (obstacle) throw new WaybillError('FORBIDDEN', obstacle.message, { fix: obstacle.fix });
    await parts.store
      .as<SourceTables>()
      .transaction()
      .execute(async (trx) => {
        const last = await trx
          .selectFrom('review')
          .select((e) => e.fn.max('id').as('id'))
          .executeTakeFirst();
        const { base, head, tree } = version;
        await trx
          .insertInto('review')
          .values({
            id: (last?.id ?? 0) + 1,
            change_id: id,
            version: version.version,
            base,
            head,
            tree,
            reviewer: actor.id,
            verdict,
            comment,
            at: parts.clock.now().toISOString(),
          })
          .execute();
      });
  });
}

/** Ends a change without a merge: by who opened it, or by an administrator. */
export async function abandonChange(parts: Parts, id: ChangeId, actor: Actor): Promise<Change> {
  return whileOpen(parts, id, async (change, people) => {
    const person = people.byId(actor.id);
    const may = can(person, 'manage') || (change.openedBy === actor.id && can(person, 'propose'));
    if (!may)
      throw new WaybillError('FORBIDDEN', `change ${id} was opened by ${change.openedBy}, who may abandon it, as an administrator may`);
    await parts.store.as<SourceTables>().updateTable('change').set({ state: 'abandoned' }).where('id', '=', id).execute();
  });
}

async function whileOpen(
  parts: Parts,
  id: ChangeId,
  act: (change: StoredChange, people: Awaited<ReturnType<typeof readPeople>>) => Promise<void>,
): Promise<Change> {
  const db = parts.store.as<SourceTables>();
  const { repositoryNumber } = await selectChange(db, await readPeople(parts.identity), id);
  using _held = await parts.locks.take(repositoryNumber);
  const people = await readPeople(parts.identity);
  const change = await selectChange(db, people, id);
  if (change.state !== 'open') throw new WaybillError('CONFLICT', `change ${id} is ${change.state}`);
  await act(change, people);
  return publicChange(await selectChange(db, people, id));
}
