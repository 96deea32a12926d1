import type { Clock } from '../kernel/clock.ts';
import type { Store } from '../store/store.ts';

/** What is known of the pull secret that an environment has: never the secret itself. Times are ISO 8601. */
export type PullSecretRecord = {
  /** The external registries that it logs in to, each as it stood then: `NAME CREDENTIALS-AT`. One with other credentials is another. */
  readonly registries: readonly string[];
  /** Of our own registry, that it pulls: known also when its keys have all expired. */
  readonly repositories: readonly string[];
  /** When the environment got it; missing when it never did. */
  readonly writtenAt?: string;
  /** When the first of its logins ends; missing when none does. */
  readonly expiresAt?: string;
  /** Since when it could not be renewed, and why the last time. */
  readonly failingSince?: string;
  readonly why?: string;
};

export type PullSecretRecords = {
  get(environment: string): Promise<PullSecretRecord | undefined>;
  /** The environment has a new one: earlier failures are over. */
  written(environment: string, secret: Pick<PullSecretRecord, 'registries' | 'repositories' | 'expiresAt'>): Promise<void>;
  /** It could not be renewed. True for the first time in a row. */
  failed(environment: string, why: string): Promise<boolean>;
  /** What was in the way is over, and the secret that is there is good. */
  recovered(environment: string): Promise<void>;
  forget(environment: string): Promise<void>;
};

type Row = {
  environment: string;
  registries: string;
  repositories: string;
  written_at: string | null;
  expires_at: string | null;
  failing_since: string | null;
  why: string | null;
};
type Tables = { pull_secret: Row };

const longestWhy = 2_000;

export function openPullSecretRecords(store: Store, clock: Clock): PullSecretRecords {
  const db = store.as<Tables>();
  const read = (environment: string) => db.selectFrom('pull_secret').selectAll().where('environment', '=', environment).executeTakeFirst();
  return {
    async get(environment) {
      const row = await read(environment);
      return row && parseRow(row);
    },
    async written(environment, { registries, repositories, expiresAt }) {
      const set = {
        registries: JSON.stringify(registries),
        repositories: JSON.stringify(repositories),
        written_at: clock.now().toISOString(),
        expires_at: expiresAt ?? null,
        failing_since: null,
        why: null,
      };
      await db
        .insertInto('pull_secret')
        .values({ environment, ...set })
        .onConflict((conflict) => conflict.column('environment').doUpdateSet(set))
        .execute();
    },
    async failed(environment, why) {
      const failing_since = clock.now().toISOString();
      const short = why.slice(0, longestWhy);
      const before = await read(environment);
      await db
        .insertInto('pull_secret')
        .values({ environment, registries: '[]', repositories: '[]', written_at: null, expires_at: null, failing_since, why: short })
        .onConflict((conflict) =>
          conflict.column('environment').doUpdateSet({ failing_since: before?.failing_since ?? failing_since, why: short }),
        )
        .execute();
      return (before?.failing_since ?? null) === null;
    },
    async recovered(environment) {
      await db.updateTable('pull_secret').set({ failing_since: null, why: null }).where('environment', '=', environment).execute();
    },
    async forget(environment) {
      await db.deleteFrom('pull_secret').where('environment', '=', environment).execute();
    },
  };
}

function parseRow(row: Row): PullSecretRecord {
  return {
    registries: JSON.parse(row.registries) as string[],
    repositories: JSON.parse(row.repositories) as string[],
    ...(row.written_at === null ? {} : { writtenAt: row.written_at }),
    ...(row.expires_at === null ? {} : { expiresAt: row.expires_at }),
    ...(row.failing_since === null ? {} : { failingSince: row.failing_since }),
    ...(row.why === null ? {} : { why: row.why }),
  };
}
