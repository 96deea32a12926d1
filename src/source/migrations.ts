import { sql, type ColumnDefinitionBuilder } from 'kysely';
import type { Migration } from '../store/store.ts';

const required = (c: ColumnDefinitionBuilder) => c.notNull();

export const sourceMigrations: readonly Migration[] = [
  {
    id: '015-source-changes',
    async up(db) {
      await db.schema
        .createTable('source_repository')
        .addColumn('id', 'integer', (c) => c.primaryKey())
        .addColumn('name', 'text', required)
        .addColumn('protected_branch', 'text', required)
        .addColumn('created_at', 'text', required)
        .addColumn('removed_at', 'text')
        .execute();
      await db.schema
        .createTable('initial_push')
        .addColumn('repository_id', 'integer', (c) => c.primaryKey().references('source_repository.id'))
        .addColumn('commit', 'text', required)
        .addColumn('person', 'text', required)
        .addColumn('at', 'text', required)
        .addColumn('state', 'text', required)
        .execute();
      await db.schema
        .createTable('change')
        .addColumn('id', 'integer', (c) => c.primaryKey())
        .addColumn('repository_id', 'integer', (c) => c.notNull().references('source_repository.id'))
        .addColumn('branch', 'text', required)
        .addColumn('title', 'text', required)
        .addColumn('state', 'text', required)
        .addColumn('opened_by', 'text', required)
        .addColumn('topic', 'text')
        .addColumn('change_key', 'text')
        .execute();
      await db.schema
        .createTable('change_version')
        .addColumn('change_id', 'integer', (c) => c.notNull().references('change.id'))
        .addColumn('version', 'integer', required)
        .addColumn('base', 'text', required)
        .addColumn('head', 'text', required)
        .addColumn('tree', 'text', required)
        .addColumn('pusher', 'text', required)
        .addColumn('pushed_at', 'text', required)
        .addColumn('hands', 'text', required)
        .addPrimaryKeyConstraint('change_version_key', ['change_id', 'version'])
        .execute();
      await db.schema
        .createTable('review')
        .addColumn('id', 'integer', (c) => c.primaryKey())
        .addColumn('change_id', 'integer', (c) => c.notNull().references('change.id'))
        .addColumn('version', 'integer', required)
        .addColumn('base', 'text', required)
        .addColumn('head', 'text', required)
        .addColumn('tree', 'text', required)
        .addColumn('reviewer', 'text', required)
        .addColumn('verdict', 'text', required)
        .addColumn('comment', 'text', required)
        .addColumn('at', 'text', required)
        .execute();
      await db.schema
        .createTable('merge')
        .addColumn('change_id', 'integer', (c) => c.primaryKey().references('change.id'))
        .addColumn('repository_id', 'integer', (c) => c.notNull().references('source_repository.id'))
        .addColumn('version', 'integer', required)
        .addColumn('base', 'text', required)
        .addColumn('head', 'text', required)
        .addColumn('reviewed_tree', 'text', required)
        .addColumn('onto', 'text', required)
        .addColumn('commit', 'text', required)
        .addColumn('tree', 'text', required)
        .addColumn('method', 'text', required)
        .addColumn('approvals', 'text', required)
        .addColumn('merged_by', 'text', required)
        .addColumn('merged_at', 'text', required)
        .addColumn('state', 'text', required)
        .execute();
      await db.schema
        .createIndex('source_repository_name')
        .on('source_repository')
        .column('name')
        .unique()
        .where(sql.ref('removed_at'), 'is', null)
        .execute();
      await db.schema.createIndex('change_repository').on('change').columns(['repository_id', 'state']).execute();
      await db.schema.createIndex('review_change').on('review').column('change_id').execute();
      await db.schema.createIndex('merge_commit').on('merge').columns(['repository_id', 'commit']).unique().execute();
    },
  },
];
