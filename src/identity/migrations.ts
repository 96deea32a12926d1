import type { Migration } from '../store/store.ts';

export const identityMigrations: readonly Migration[] = [
  {
    id: '010-identity-people',
    async up(db) {
      await db.schema
        .createTable('person')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('role', 'text', (c) => c.notNull())
        .addColumn('active', 'integer', (c) => c.notNull())
        .addColumn('created_at', 'text', (c) => c.notNull())
        .execute();
      await db.schema
        .createTable('person_email')
        .addColumn('email', 'text', (c) => c.primaryKey())
        .addColumn('person', 'text', (c) => c.notNull().references('person.id'))
        .execute();
      await db.schema
        .createTable('token')
        .addColumn('id', 'text', (c) => c.primaryKey())
        .addColumn('person', 'text', (c) => c.notNull().references('person.id'))
        .addColumn('label', 'text', (c) => c.notNull())
        .addColumn('hash', 'text', (c) => c.notNull().unique())
        .addColumn('created_at', 'text', (c) => c.notNull())
        .addColumn('expires_at', 'text')
        .addColumn('revoked_at', 'text')
        .execute();
      await db.schema.createIndex('person_email_person').on('person_email').column('person').execute();
      await db.schema.createIndex('token_person').on('token').column('person').execute();
    },
  },
];
