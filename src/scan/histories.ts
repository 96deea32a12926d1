import type { Clock } from '../kernel/clock.ts';
import type { Digest } from '../kernel/digest.ts';
import type { Store } from '../store/store.ts';

type Tables = { scan_history: { readonly repository: string; readonly record: string; readonly scanned_at: string } };

/** The newest record of each repository's whole history. */
export type Histories = {
  latest(repository: string): Promise<Digest | undefined>;
  set(repository: string, record: Digest): Promise<void>;
};

export function openHistories(store: Store, clock: Clock): Histories {
  const db = store.as<Tables>();
  return {
    async latest(repository) {
      const row = await db.selectFrom('scan_history').select('record').where('repository', '=', repository).executeTakeFirst();
      return row?.record as Digest | undefined;
    },
    async set(repository, record) {
      const scanned_at = clock.now().toISOString();
      await db
        .insertInto('scan_history')
        .values({ repository, record, scanned_at })
        .onConflict((conflict) => conflict.column('repository').doUpdateSet({ record, scanned_at }))
        .execute();
    },
  };
}
