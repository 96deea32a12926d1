import type { Migration } from '../store/store.ts';
import type { RegistryTables } from './tables.ts';
import type { Kysely } from 'kysely';

export const registryMigrations: readonly Migration[] = [
  {
    id: '020-registry-content',
    async up(db) {
      const schema = (db as unknown as Kysely<RegistryTables>).schema;
      await schema
        .createTable('registry_blob')
        .addColumn('repository', 'text', (c) => c.notNull())
        .addColumn('digest', 'text', (c) => c.notNull())
        .addColumn('size', 'bigint', (c) => c.notNull())
        .addColumn('added_at', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('registry_blob_key', ['repository', 'digest'])
        .execute();
      await schema
        .createTable('registry_manifest')
        .addColumn('repository', 'text', (c) => c.notNull())
        .addColumn('digest', 'text', (c) => c.notNull())
        .addColumn('media_type', 'text', (c) => c.notNull())
        .addColumn('content', 'text', (c) => c.notNull())
        .addColumn('size', 'integer', (c) => c.notNull())
        .addColumn('subject', 'text')
        .addColumn('artifact_type', 'text')
        .addColumn('annotations', 'text')
        .addColumn('added_at', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('registry_manifest_key', ['repository', 'digest'])
        .execute();
      await schema.createIndex('registry_manifest_subject').on('registry_manifest').columns(['repository', 'subject', 'digest']).execute();
      await schema
        .createTable('registry_tag')
        .addColumn('repository', 'text', (c) => c.notNull())
        .addColumn('tag', 'text', (c) => c.notNull())
        .addColumn('digest', 'text', (c) => c.notNull())
        .addColumn('set_at', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('registry_tag_key', ['repository', 'tag'])
        .execute();
      await schema.createIndex('registry_tag_digest').on('registry_tag').columns(['repository', 'digest']).execute();
    },
  },
  {
    id: '020-registry-pull-token',
    async up(db) {
      const schema = (db as unknown as Kysely<RegistryTables>).schema;
      await schema
        .createTable('registry_pull_token')
        .addColumn('username', 'text', (c) => c.primaryKey())
        .addColumn('environment', 'text', (c) => c.notNull())
        .addColumn('password_sha256', 'text', (c) => c.notNull())
        .addColumn('repositories', 'text', (c) => c.notNull())
        .addColumn('created_at', 'text', (c) => c.notNull())
        .addColumn('expires_at', 'text', (c) => c.notNull())
        .execute();
      await schema.createIndex('registry_pull_token_environment').on('registry_pull_token').column('environment').execute();
    },
  },
  {
    id: '021-registry-import',
    async up(db) {
      const schema = (db as unknown as Kysely<RegistryTables>).schema;
      await schema
        .createTable('registry_import')
        .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
        .addColumn('reference', 'text', (c) => c.notNull())
        .addColumn('digest', 'text', (c) => c.notNull())
        .addColumn('repository', 'text', (c) => c.notNull())
        .addColumn('reason', 'text', (c) => c.notNull())
        .addColumn('requested_by', 'text', (c) => c.notNull())
        .addColumn('requested_at', 'text', (c) => c.notNull())
        .addColumn('state', 'text', (c) => c.notNull())
        .addColumn('approvals', 'text', (c) => c.notNull())
        .addColumn('imported_at', 'text')
        .addColumn('why', 'text')
        .execute();
      await schema.createIndex('registry_import_digest').on('registry_import').column('digest').execute();
      await schema.createIndex('registry_blob_digest').on('registry_blob').column('digest').execute();
    },
  },
  {
    id: '060-registry-import-signatures',
    async up(db) {
      const schema = (db as unknown as Kysely<RegistryTables>).schema;
      await schema.alterTable('registry_import').addColumn('signatures', 'text').execute();
      await schema
        .createTable('registry_trust')
        .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
        .addColumn('images', 'text', (c) => c.notNull())
        .addColumn('public_key', 'text', (c) => c.notNull())
        .addColumn('key_id', 'text', (c) => c.notNull())
        .addColumn('required', 'integer', (c) => c.notNull())
        .addColumn('signed_as', 'text')
        .addColumn('added_by', 'text', (c) => c.notNull())
        .addColumn('added_at', 'text', (c) => c.notNull())
        .execute();
    },
  },
  {
    id: '061-registry-trust-identity',
    async up(db) {
      await (db as unknown as Kysely<RegistryTables>).schema.alterTable('registry_trust').addColumn('identity', 'text').execute();
    },
  },
  {
    id: '062-registry-import-scan',
    async up(db) {
      await (db as unknown as Kysely<RegistryTables>).schema.alterTable('registry_import').addColumn('scan', 'text').execute();
    },
  },
  {
    id: '071-registry-pull-handed-out',
    async up(db) {
      const schema = (db as unknown as Kysely<RegistryTables>).schema;
      await schema
        .alterTable('registry_pull_token')
        .addColumn('handed_out', 'integer', (c) => c.notNull().defaultTo(0))
        .execute();
    },
  },
  {
    id: '102-registry-import-look',
    async up(db) {
      await (db as unknown as Kysely<RegistryTables>).schema.alterTable('registry_import').addColumn('look', 'text').execute();
    },
  },
];
