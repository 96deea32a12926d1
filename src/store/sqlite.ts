import { DatabaseSync, backup, type SQLInputValue } from 'node:sqlite';
import type { SqliteDatabase, SqliteStatement } from 'kysely';
import { WaybillError, messageOf } from '../kernel/error.ts';

/** node:sqlite behind the small interface that Kysely's SqliteDialect asks for. */
export function openSqlite(
  file: string,
  options: { readonly?: boolean },
): SqliteDatabase & {
  backup(to: string): Promise<void>;
  /** What a commit waits for (sqlite.org/pragma.html#pragma_synchronous): with `NORMAL` a log that is whole, with `FULL` one that is on the disk. Not inside of a transaction. */
  synchronous(mode: 'NORMAL' | 'FULL'): void;
} {
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
    synchronous: (mode) => database.exec(`PRAGMA synchronous = ${mode}`),
    async backup(to) {
      try {
        await backup(database, to);
      } catch (error) {
        throw told(error);
      }
    },
  };
}

/** SQLite's results (sqlite3.h) that are no mistake of a statement: what the machine does not give. */
const machine: Readonly<Record<number, string>> = {
  5: 'another process holds the database',
  8: 'the database is read-only',
  10: 'the disk failed',
  13: 'the disk is full',
  14: 'the database cannot be opened',
};

function told(error: unknown): unknown {
  const code = error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode & 0xff : 0;
  const reason = machine[code];
  return reason === undefined ? error : new WaybillError('STORE_FAILED', reason, { cause: error });
}

function statement(database: DatabaseSync, text: string): SqliteStatement {
  const prepared = database.prepare(text);
  const values = (parameters: readonly unknown[]) => parameters as readonly SQLInputValue[];
  const telling = <T>(execute: () => T): T => {
    try {
      return execute();
    } catch (error) {
      throw told(error);
    }
  };
  return {
    reader: prepared.columns().length > 0,
    all: (parameters) => telling(() => prepared.all(...values(parameters))),
    run(parameters) {
      // A full disk has ended the transaction already; a rollback that finds none must not stand for the error that it follows.
      if (text === 'rollback' && !database.isTransaction) return { changes: 0, lastInsertRowid: 0 };
      return telling(() => prepared.run(...values(parameters)));
    },
    iterate: (parameters) => prepared.iterate(...values(parameters)),
  };
}
