import type { Kysely } from 'kysely';
import type { Migration } from '../../store/store.ts';
import type { MirrorTables } from './tables.ts';

export const mirrorMigrations: readonly Migration[] = [
  {
    id: '050-mirror-content',
    async up(db) {
      const schema = (db as unknown as Kysely<MirrorTables>).schema;
      await schema
        .createTable('mirror_manifest')
        .addColumn('server', 'text', (c) => c.notNull())
        .addColumn('repository', 'text', (c) => c.notNull())
        .addColumn('digest', 'text', (c) => c.notNull())
        .addColumn('media_type', 'text', (c) => c.notNull())
        .addColumn('content', 'text', (c) => c.notNull())
        .addColumn('size', 'integer', (c) => c.notNull())
        .addColumn('fetched_at', 'text', (c) => c.notNull())
        .addColumn('used_at', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('mirror_manifest_key', ['server', 'repository', 'digest'])
        .execute();
      await schema
        .createTable('mirror_tag')
        .addColumn('server', 'text', (c) => c.notNull())
        .addColumn('repository', 'text', (c) => c.notNull())
        .addColumn('tag', 'text', (c) => c.notNull())
        .addColumn('digest', 'text', (c) => c.notNull())
        .addColumn('checked_at', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('mirror_tag_key', ['server', 'repository', 'tag'])
        .execute();
      await schema
        .createTable('mirror_blob')
        .addColumn('server', 'text', (c) => c.notNull())
        .addColumn('digest', 'text', (c) => c.notNull())
        .addColumn('size', 'bigint', (c) => c.notNull())
        .addColumn('fetched_at', 'text', (c) => c.notNull())
        .addColumn('used_at', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('mirror_blob_key', ['server', 'digest'])
        .execute();
      await schema.createIndex('mirror_blob_digest').on('mirror_blob').column('digest').execute();
    },
  },
];
