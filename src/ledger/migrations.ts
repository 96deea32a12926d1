import type { Migration } from '../store/store.ts';

export const ledgerMigrations: readonly Migration[] = [
  {
    id: '005-ledger-entries',
    async up(db) {
      await db.schema
        .createTable('ledger_head')
        .addColumn('id', 'integer', (c) => c.primaryKey())
        .addColumn('origin', 'text', (c) => c.notNull())
        .addColumn('size', 'integer', (c) => c.notNull())
        .execute();
      await db.schema
        .createTable('ledger_entry')
        .addColumn('idx', 'integer', (c) => c.primaryKey())
        .addColumn('kind', 'text', (c) => c.notNull())
        .addColumn('at', 'text', (c) => c.notNull())
        .addColumn('leaf', 'text', (c) => c.notNull())
        .execute();
      await db.schema.createIndex('ledger_entry_kind').on('ledger_entry').columns(['kind', 'idx']).execute();
      await db.schema
        .createTable('ledger_subject')
        .addColumn('subject', 'text', (c) => c.notNull())
        .addColumn('idx', 'integer', (c) => c.notNull().references('ledger_entry.idx'))
        .addColumn('kind', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('ledger_subject_pk', ['subject', 'idx'])
        .execute();
      await db.schema
        .createTable('ledger_node')
        .addColumn('level', 'integer', (c) => c.notNull())
        .addColumn('idx', 'integer', (c) => c.notNull())
        .addColumn('hash', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('ledger_node_pk', ['level', 'idx'])
        .execute();
      await db.schema
        .createTable('ledger_checkpoint')
        .addColumn('id', 'integer', (c) => c.primaryKey())
        .addColumn('size', 'integer', (c) => c.notNull())
        .addColumn('root', 'text', (c) => c.notNull())
        .addColumn('at', 'text', (c) => c.notNull())
        .addColumn('note', 'text', (c) => c.notNull())
        .execute();
      await db.schema.createIndex('ledger_checkpoint_size').on('ledger_checkpoint').column('size').execute();
    },
  },
  {
    id: '005-ledger-papers',
    async up(db) {
      await db.schema
        .createTable('ledger_attestation')
        .addColumn('idx', 'integer', (c) => c.primaryKey().references('ledger_entry.idx'))
        .addColumn('digest', 'text', (c) => c.notNull().unique())
        .addColumn('predicate_type', 'text', (c) => c.notNull())
        .addColumn('at', 'text', (c) => c.notNull())
        .addColumn('bundle', 'text', (c) => c.notNull())
        .execute();
      await db.schema
        .createTable('ledger_attestation_subject')
        .addColumn('subject', 'text', (c) => c.notNull())
        .addColumn('idx', 'integer', (c) => c.notNull().references('ledger_attestation.idx'))
        .addColumn('predicate_type', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('ledger_attestation_subject_pk', ['subject', 'idx'])
        .execute();
    },
  },
];
