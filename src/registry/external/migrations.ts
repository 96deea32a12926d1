import type { Migration } from '../../store/store.ts';

export const externalMigrations: readonly Migration[] = [
  {
    id: '040-registry-external',
    async up(db) {
      await db.schema
        .createTable('external_registry')
        .addColumn('name', 'text', (c) => c.primaryKey())
        .addColumn('server', 'text', (c) => c.notNull())
        .addColumn('record', 'text', (c) => c.notNull())
        .addColumn('created_at', 'text', (c) => c.notNull())
        .execute();
    },
  },
  {
    id: '073-registry-external-credentials',
    async up(db) {
      await db.schema.alterTable('external_registry').addColumn('credentials_at', 'text').execute();
    },
  },
];
