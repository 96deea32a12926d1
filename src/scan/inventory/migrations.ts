import { sql } from 'kysely';
import type { Migration } from '../../store/store.ts';

export const inventoryMigrations: readonly Migration[] = [
  {
    id: '100-inventory-components',
    async up(db) {
      await db.schema
        .createTable('inventory_component')
        .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
        .addColumn('ecosystem', 'text', (c) => c.notNull())
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('version', 'text', (c) => c.notNull())
        .addColumn('purl', 'text', (c) => c.notNull())
        .addColumn('source_name', 'text', (c) => c.notNull())
        .addColumn('source_version', 'text', (c) => c.notNull())
        .addColumn('matched', 'text', (c) => c.notNull())
        .execute();
      await sql`CREATE UNIQUE INDEX inventory_component_identity ON inventory_component (purl, ecosystem, source_name, source_version)`.execute(
        db,
      );
      await sql`CREATE INDEX inventory_component_name ON inventory_component (name)`.execute(db);
      await sql`CREATE INDEX inventory_component_source ON inventory_component (source_name)`.execute(db);
      await db.schema
        .createTable('inventory_image')
        .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
        .addColumn('repository', 'text', (c) => c.notNull())
        .addColumn('digest', 'text', (c) => c.notNull())
        .addColumn('run', 'integer', (c) => c.notNull())
        .addColumn('sbom', 'text', (c) => c.notNull())
        .addColumn('indexed_at', 'text', (c) => c.notNull())
        .addColumn('collected_at', 'text')
        .addColumn('components', 'integer', (c) => c.notNull())
        .execute();
      await sql`CREATE UNIQUE INDEX inventory_image_identity ON inventory_image (digest, repository)`.execute(db);
      await sql`CREATE INDEX inventory_image_repository ON inventory_image (repository, id)`.execute(db);
      await db.schema
        .createTable('inventory_content')
        .addColumn('component', 'integer', (c) => c.notNull())
        .addColumn('image', 'integer', (c) => c.notNull())
        .addColumn('in_image', 'integer', (c) => c.notNull())
        .addColumn('via', 'integer')
        .addPrimaryKeyConstraint('inventory_content_key', ['component', 'image'])
        .execute();
      await sql`CREATE INDEX inventory_content_image ON inventory_content (image)`.execute(db);
      await db.schema
        .createTable('inventory_progress')
        .addColumn('id', 'integer', (c) => c.primaryKey())
        .addColumn('run', 'integer', (c) => c.notNull())
        .execute();
    },
  },
  {
    id: '101-inventory-findings',
    async up(db) {
      await db.schema
        .createTable('inventory_finding')
        .addColumn('component', 'integer', (c) => c.notNull())
        .addColumn('advisory', 'text', (c) => c.notNull())
        .addColumn('severity', 'text', (c) => c.notNull())
        .addColumn('title', 'text', (c) => c.notNull())
        .addColumn('fixed', 'text', (c) => c.notNull())
        .addColumn('first_seen', 'text', (c) => c.notNull())
        .addColumn('news', 'integer', (c) => c.notNull())
        .addColumn('told_at', 'text')
        .addPrimaryKeyConstraint('inventory_finding_key', ['component', 'advisory'])
        .execute();
      await sql`CREATE INDEX inventory_finding_advisory ON inventory_finding (advisory)`.execute(db);
      await sql`CREATE INDEX inventory_finding_news ON inventory_finding (news, first_seen)`.execute(db);
      await db.schema
        .createTable('inventory_advisory_name')
        .addColumn('name', 'text', (c) => c.notNull())
        .addColumn('advisory', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('inventory_advisory_name_key', ['name', 'advisory'])
        .execute();
    },
  },
  {
    id: '102-inventory-changes',
    async up(db) {
      await db.schema
        .alterTable('inventory_component')
        .addColumn('changed_at', 'text', (c) => c.notNull().defaultTo(''))
        .execute();
      await sql`CREATE INDEX inventory_component_changed ON inventory_component (changed_at)`.execute(db);
    },
  },
  {
    id: '103-inventory-imports',
    async up(db) {
      await db.schema.alterTable('inventory_image').addColumn('import', 'integer').execute();
    },
  },
];
