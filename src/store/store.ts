import { Kysely, SqliteDialect, sql } from 'kysely';
import { openSqlite } from './sqlite.ts';
import { SyncedLog } from './synced-log.ts';

/** One step of the schema's history. Ids sort in the order in which they are applied, and never change once released. */
export type Migration = { readonly id: string; up(db: Kysely<never>): Promise<void> };

/** The database. Each folder that owns tables names them with `as<Tables>()` and brings its migrations. */
export type Store = AsyncDisposable & {
  readonly file: string;
  as<Tables>(): Kysely<Tables>;
  /** Applies what is missing, each migration in a transaction of its own; returns the ids applied. */
  migrate(migrations: readonly Migration[]): Promise<string[]>;
  /**
   * A transaction that is durable when this resolves, like every other, but whose sync does not hold the event loop up: others work on meanwhile, and
   * may read what it wrote some milliseconds before the disk has it. @throws WaybillError STORE_FAILED; it may have been written nevertheless
   */
  commitAside<Tables>(work: (db: Kysely<Tables>) => Promise<void>): Promise<void>;
  /** Writes a consistent copy while others write. */
  backup(to: string): Promise<void>;
};

type MigrationTable = { schema_migration: { id: string; applied_at: string } };

/** @param file path of the SQLite database, or `:memory:` */
export function openStore(file: string, options: { readonly?: boolean } = {}): Store {
  const sqlite = openSqlite(file, options);
  const kysely = new Kysely<unknown>({ dialect: new SqliteDialect({ database: sqlite }) });
  const as = <Tables>() => kysely as unknown as Kysely<Tables>;
  const log = new SyncedLog(file);
  return {
    file,
    as,
    async commitAside<Tables>(work: (db: Kysely<Tables>) => Promise<void>) {
      // Nobody else gets the connection meanwhile, so nobody else's commit is less than durable.
      await kysely.connection().execute(async (connection) => {
        sqlite.synchronous('NORMAL');
        try {
          await connection.transaction().execute((trx) => work(trx as unknown as Kysely<Tables>));
        } finally {
          sqlite.synchronous('FULL');
        }
      });
      await log.sync();
    },
    async migrate(migrations) {
      const db = as<MigrationTable>();
      await db.schema
        .createTable('schema_migration')
        .ifNotExists()
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('applied_at', 'text', (c) => c.notNull())
        .execute();
      const done = new Set((await db.selectFrom('schema_migration').select('id').execute()).map((row) => row.id));
      const applied: string[] = [];
      for (const migration of [...migrations].sort((a, b) => (a.id < b.id ? -1 : 1))) {
        if (done.has(migration.id)) continue;
        await db.transaction().execute(async (trx) => {
          await migration.up(trx as unknown as Kysely<never>);
          await trx
            .insertInto('schema_migration')
            .values({ id: migration.id, applied_at: sql<string>`CURRENT_TIMESTAMP` })
            .execute();
        });
        applied.push(migration.id);
      }
      return applied;
    },
    backup: (to) => sqlite.backup(to),
    async [Symbol.asyncDispose]() {
      await log.close();
      await kysely.destroy();
    },
  };
}
