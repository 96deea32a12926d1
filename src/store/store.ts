import { Kysely, SqliteDialect, sql } from 'kysely';
import { openSqlite } from './sqlite.ts';

/** One step of the schema's history. Ids sort in the order in which they are applied, and never change once released. */
export type Migration = { readonly id: string; up(db: Kysely<never>): Promise<void> };

/** The database. Each folder that owns tables names them with `as<Tables>()` and brings its migrations. */
export type Store = AsyncDisposable & {
  readonly file: string;
  as<Tables>(): Kysely<Tables>;
  /** Applies what is missing, each migration in a transaction of its own; returns the ids applied. */
  migrate(migrations: readonly Migration[]): Promise<string[]>;
  /** Writes a consistent copy while others write. */
  backup(to: string): Promise<void>;
};

type MigrationTable = { schema_migration: { id: string; applied_at: string } };

/** @param file path of the SQLite database, or `:memory:` */
export function openStore(file: string, options: { readonly?: boolean } = {}): Store {
  const sqlite = openSqlite(file, options);
  const kysely = new Kysely<unknown>({ dialect: new SqliteDialect({ database: sqlite }) });
  const as = <Tables>() => kysely as unknown as Kysely<Tables>;
  return {
    file,
    as,
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
      await kysely.destroy();
    },
  };
}
