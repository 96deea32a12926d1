import type { Clock } from '../kernel/clock.ts';
import { WaybillError } from '../kernel/error.ts';
import type { RunId } from '../kernel/ids.ts';
import type { Store } from '../store/store.ts';
import type { RecordedEvent, RunCreated, RunEvent } from './event.ts';
import { apply, stateOf } from './machine.ts';
import type { RunTables } from './migrations.ts';
import type { RunState } from './state.ts';
import { isFinal, type Status } from './status.ts';

/** The journal of runs: the only writer of `run` and `run_event`. Events that cannot follow are refused, so what is read back always folds. */
export type Journal = {
  create(head: RunCreated): Promise<RunId>;
  append(run: RunId, event: RunEvent): Promise<RunState>;
  events(run: RunId): Promise<readonly RecordedEvent[]>;
  /** @throws WaybillError NOT_FOUND */
  state(run: RunId): Promise<RunState>;
  /** The state's status alone. Of a run that has ended it is remembered, so that a list need not fold every journal again. */
  status(run: RunId): Promise<Status>;
  onEvent(listener: (run: RunId, recorded: RecordedEvent) => void): Disposable;
};

const rememberedAtMost = 50_000;

export function openJournal(store: Store, clock: Clock): Journal {
  const db = store.as<RunTables>();
  const listeners = new Set<(run: RunId, recorded: RecordedEvent) => void>();
  const cache = new Map<RunId, { state: RunState; seq: number }>();
  // Of the database, not of this process: what has ended stays as it ended.
  const ended = new Map<RunId, Status>();
  const remember = (run: RunId, status: Status) => {
    const oldest = ended.keys().next();
    if (ended.size >= rememberedAtMost && !oldest.done) ended.delete(oldest.value);
    ended.set(run, status);
  };

  const events = async (run: RunId): Promise<readonly RecordedEvent[]> => {
    const rows = await db.selectFrom('run_event').selectAll().where('run', '=', run).orderBy('seq').execute();
    if (rows.length === 0) throw new WaybillError('NOT_FOUND', `there is no run ${run}`);
    return rows.map((row) => ({ seq: row.seq, at: row.at, event: JSON.parse(row.body) as RunEvent }));
  };

  const tell = (run: RunId, recorded: RecordedEvent) => {
    for (const listener of listeners) listener(run, recorded);
  };

  const current = async (run: RunId) => {
    const known = cache.get(run);
    if (known) return known;
    const all = await events(run);
    return { state: stateOf(all), seq: all.length };
  };

  // Appends to one run happen one after another: each is judged by the state that the one before left.
  const tails = new Map<RunId, Promise<unknown>>();
  const inOrder = async <T>(run: RunId, task: () => Promise<T>): Promise<T> => {
    const before = tails.get(run) ?? Promise.resolve();
    const mine = before.then(task, task);
    tails.set(run, mine);
    try {
      return await mine;
    } finally {
      if (tails.get(run) === mine) tails.delete(run);
    }
  };

  return {
    events,
    state: async (run) => (await current(run)).state,
    async status(run) {
      const known = ended.get(run);
      if (known) return known;
      const { status } = (await current(run)).state;
      if (isFinal(status)) remember(run, status);
      return status;
    },
    async create(head) {
      const at = clock.now().toISOString();
      const id = await db.transaction().execute(async (trx) => {
        const last = await trx
          .selectFrom('run')
          .select((e) => e.fn.max('id').as('id'))
          .executeTakeFirst();
        const next = ((last?.id ?? 0) + 1) as RunId;
        await trx
          .insertInto('run')
          .values({
            id: next,
            repository: head.repository,
            event: head.event,
            commit_oid: head.commit,
            tree_oid: head.tree,
            change_id: head.change?.id ?? null,
            change_version: head.change?.version ?? null,
            open: 1,
            created_at: at,
          })
          .execute();
        await trx
          .insertInto('run_event')
          .values({ run: next, seq: 1, at, body: JSON.stringify(head) })
          .execute();
        return next;
      });
      tell(id, { seq: 1, at, event: head });
      return id;
    },
    append: (run, event) =>
      inOrder(run, async () => {
        const { state, seq } = await current(run);
        const at = clock.now().toISOString();
        const next = apply(state, event, at);
        const over = isFinal(next.status);
        await db.transaction().execute(async (trx) => {
          await trx
            .insertInto('run_event')
            .values({ run, seq: seq + 1, at, body: JSON.stringify(event) })
            .execute();
          if (over) await trx.updateTable('run').set({ open: 0 }).where('id', '=', run).execute();
        });
        if (over) cache.delete(run);
        else cache.set(run, { state: next, seq: seq + 1 });
        tell(run, { seq: seq + 1, at, event });
        return next;
      }),
    onEvent(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => listeners.delete(listener) };
    },
  };
}
