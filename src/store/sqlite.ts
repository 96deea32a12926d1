import { DatabaseSync, backup, type SQLInputValue } from 'node:sqlite';
import type { SqliteDatabase, SqliteStatement } from 'kysely';
import { WaybillError, messageOf } from '../kernel/error.ts';

/** node:sqlite behind the small interface that Kysely's SqliteDialect asks for. */
export function openSqlite(file: string, options: { readonly?: boolean }): SqliteDatabase & { backup(to: string): Promise<void> } {
  const readOnly = options.readonly ?? false;
  let database: DatabaseSync;
  try {
    database = new DatabaseSync(file, { readOnly, timeout: 10_000, enableForeignKeyConstraints: true });
    if (!readOnly) database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
  } catch (cause) {
    throw new WaybillError('STORE_FAILED', `${file}: ${messageOf(cause)}`, { cause });
  }
  return {
    close: () => database.close(),
    prepare: (text) => statement(database, text),
    async backup(to) {
      await backup(database, to);
    },
  };
}

function statement(database: DatabaseSync, text: string): SqliteStatement {
  const prepared = database.prepare(text);
  const values = (parameters: readonly unknown[]) => parameters as readonly SQLInputValue[];
  return {
    reader: prepared.columns().length > 0,
    all: (parameters) => prepared.all(...values(parameters)),
    run: (parameters) => prepared.run(...values(parameters)),
    iterate: (parameters) => prepared.iterate(...values(parameters)),
  };
}
