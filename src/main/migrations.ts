import { deployMigrations } from '../deploy/migrations.ts';
import { identityMigrations } from '../identity/migrations.ts';
import { ledgerMigrations } from '../ledger/migrations.ts';
import { externalMigrations } from '../registry/external/migrations.ts';
import { mirrorMigrations } from '../registry/mirror/migrations.ts';
import { registryMigrations } from '../registry/migrations.ts';
import { runMigrations } from '../run/migrations.ts';
import { inventoryMigrations } from '../scan/inventory/migrations.ts';
import { scanMigrations } from '../scan/migrations.ts';
import { secretsMigrations } from '../secrets/migrations.ts';
import { sourceMigrations } from '../source/migrations.ts';
import type { Migration } from '../store/store.ts';

/** The whole schema, each table brought by the folder that owns it. */
export const migrations: readonly Migration[] = [
  ...ledgerMigrations,
  ...identityMigrations,
  ...secretsMigrations,
  ...sourceMigrations,
  ...registryMigrations,
  ...runMigrations,
  ...deployMigrations,
  ...externalMigrations,
  ...scanMigrations,
  ...inventoryMigrations,
  ...mirrorMigrations,
];
