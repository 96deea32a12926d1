import type { Migration } from '../store/store.ts';

export const secretsMigrations: readonly Migration[] = [
  {
    id: '012-secrets-sealed',
    async up(db) {
      await db.schema
        .createTable('sealed_secret')
        .addColumn('name', 'text', (c) => c.primaryKey())
        .addColumn('key_id', 'text', (c) => c.notNull())
        .addColumn('wrapped_key', 'text', (c) => c.notNull())
        .addColumn('value', 'text', (c) => c.notNull())
        .execute();
    },
  },
];
