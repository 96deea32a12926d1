import type { Migration } from '../store/store.ts';

export const deployMigrations: readonly Migration[] = [
  {
    id: '030-deploy-environments',
    async up(db) {
      await db.schema
        .createTable('environment')
        .addColumn('name', 'text', (c) => c.primaryKey())
        .addColumn('kind', 'text', (c) => c.notNull())
        .addColumn('namespace', 'text', (c) => c.notNull())
        .addColumn('policy', 'text')
        .addColumn('created_at', 'text', (c) => c.notNull())
        .execute();
    },
  },
  {
    id: '031-deploy-releases',
    async up(db) {
      await db.schema
        .createTable('release')
        .addColumn('id', 'integer', (c) => c.primaryKey())
        .addColumn('environment', 'text', (c) => c.notNull())
        .addColumn('repository', 'text', (c) => c.notNull())
        .addColumn('run', 'integer', (c) => c.notNull())
        .addColumn('commit_oid', 'text', (c) => c.notNull())
        .addColumn('digests', 'text', (c) => c.notNull())
        .addColumn('manifest_digest', 'text', (c) => c.notNull())
        .addColumn('rollback', 'integer', (c) => c.notNull())
        .addColumn('status', 'text', (c) => c.notNull())
        .addColumn('why', 'text')
        .addColumn('started_at', 'text', (c) => c.notNull())
        .addColumn('finished_at', 'text')
        .execute();
      await db.schema.createIndex('release_by_environment').on('release').columns(['environment', 'repository', 'id']).execute();
    },
  },
  {
    id: '070-deploy-pull-secrets',
    async up(db) {
      await db.schema
        .alterTable('environment')
        .addColumn('pull_secret_on', 'text', (c) => c.notNull().defaultTo('pods'))
        .execute();
      await db.schema.alterTable('environment').addColumn('registry', 'text').execute();
      await db.schema
        .createTable('pull_secret')
        .addColumn('environment', 'text', (c) => c.primaryKey())
        .addColumn('registries', 'text', (c) => c.notNull())
        .addColumn('written_at', 'text')
        .addColumn('expires_at', 'text')
        .addColumn('failing_since', 'text')
        .addColumn('why', 'text')
        .execute();
    },
  },
  {
    id: '072-deploy-pull-secret-repositories',
    async up(db) {
      await db.schema
        .alterTable('pull_secret')
        .addColumn('repositories', 'text', (c) => c.notNull().defaultTo('[]'))
        .execute();
    },
  },
];
