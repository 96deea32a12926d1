import type { Migration } from '../store/store.ts';

/** `open` is an index, kept in the transaction that appends the event: 1 until the run has ended. */
export type RunTables = {
  run: {
    id: number;
    repository: string;
    event: string;
    commit_oid: string;
    tree_oid: string;
    change_id: number | null;
    change_version: number | null;
    open: number;
    created_at: string;
  };
  run_event: { run: number; seq: number; at: string; body: string };
};

export const runMigrations: readonly Migration[] = [
  {
    id: '025-run-journal',
    async up(db) {
      await db.schema
        .createTable('run')
        .addColumn('id', 'integer', (c) => c.primaryKey())
        .addColumn('repository', 'text', (c) => c.notNull())
        .addColumn('event', 'text', (c) => c.notNull())
        .addColumn('commit_oid', 'text', (c) => c.notNull())
        .addColumn('tree_oid', 'text', (c) => c.notNull())
        .addColumn('change_id', 'integer')
        .addColumn('change_version', 'integer')
        .addColumn('open', 'integer', (c) => c.notNull())
        .addColumn('created_at', 'text', (c) => c.notNull())
        .execute();
      await db.schema.createIndex('run_tree').on('run').columns(['repository', 'tree_oid']).execute();
      await db.schema.createIndex('run_change').on('run').columns(['change_id', 'change_version']).execute();
      await db.schema
        .createTable('run_event')
        .addColumn('run', 'integer', (c) => c.notNull())
        .addColumn('seq', 'integer', (c) => c.notNull())
        .addColumn('at', 'text', (c) => c.notNull())
        .addColumn('body', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('run_event_key', ['run', 'seq'])
        .execute();
    },
  },
];
