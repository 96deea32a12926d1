import { sql } from 'kysely';
import type { Migration } from '../store/store.ts';

export const scanMigrations: readonly Migration[] = [
  {
    id: '095-scan-documents',
    async up(db) {
      await db.schema
        .createTable('scan_document')
        .addColumn('digest', 'text', (column) => column.primaryKey())
        .addColumn('kind', 'text', (column) => column.notNull())
        .addColumn('recorded_at', 'text', (column) => column.notNull())
        .addColumn('text', 'text', (column) => column.notNull())
        .execute();
      await sql`CREATE INDEX scan_document_kind ON scan_document (kind, recorded_at)`.execute(db);
    },
  },
  {
    id: '096-scan-histories',
    async up(db) {
      await db.schema
        .createTable('scan_history')
        .addColumn('repository', 'text', (column) => column.primaryKey())
        .addColumn('record', 'text', (column) => column.notNull())
        .addColumn('scanned_at', 'text', (column) => column.notNull())
        .execute();
    },
  },
];
