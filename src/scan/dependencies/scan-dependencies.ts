import type { Clock } from '../../kernel/clock.ts';
import type { AdvisoryDatabase } from '../advisories/database.ts';
import { matchComponents } from '../advisories/match.ts';
import type { Inventory } from '../component.ts';
import { isGap, type Coverage } from '../coverage.ts';
import type { ScanReport } from '../report.ts';
import { SkipList } from '../skip-list.ts';
import type { TreeSource } from '../tree-source.ts';
import { readInventory } from './read-inventory.ts';

export type DependencyScan = {
  readonly source: TreeSource;
  readonly database: AdvisoryDatabase;
  /** `waybill VERSION`. */
  readonly scanner: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onProgress?: (seen: { readonly files: number; readonly components: number }) => void;
};

/** The libraries that a tree names, and what is published about them. @throws what reading the tree or the database throws */
export async function scanDependencies(options: DependencyScan): Promise<{ readonly report: ScanReport; readonly inventory: Inventory }> {
  const { clock } = options;
  const startedAt = clock.now().toISOString();
  const { inventory, coverage } = await readInventory(options);
  const report = await reportOn({ ...options, kind: 'dependencies', inventory, coverage, startedAt });
  return { report, inventory };
}

/** A report on components that are known already: an earlier list of them, or an image's. */
export async function reportOn(options: {
  readonly kind: 'dependencies' | 'image';
  readonly inventory: Inventory;
  readonly coverage: Omit<Coverage, 'rules' | 'databases'>;
  readonly database: AdvisoryDatabase;
  readonly scanner: string;
  readonly startedAt: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Promise<ScanReport> {
  const { kind, inventory, coverage, database, scanner, startedAt, clock, signal } = options;
  const { findings, databases, skipped } = await matchComponents({ inventory, database, signal });
  return {
    version: 1,
    kind,
    scanner,
    startedAt,
    finishedAt: clock.now().toISOString(),
    coverage: { ...withSkipped(coverage, skipped), databases },
    findings,
  };
}

/** What reading skipped, and then what could not be looked up. */
function withSkipped(coverage: Omit<Coverage, 'rules' | 'databases'>, more: Coverage['skipped']): Omit<Coverage, 'rules' | 'databases'> {
  if (more.length === 0) return coverage;
  const list = new SkipList();
  for (const each of [...coverage.skipped, ...more]) list.add(each);
  const both = list.coverage;
  const listed = coverage.skipped.filter(isGap).length;
  return {
    ...coverage,
    skipped: both.skipped,
    // What was cut off before stays cut off, and counts.
    skippedCount: both.skippedCount + coverage.skippedCount - coverage.skipped.length,
    gapCount: (both.gapCount ?? 0) + Math.max(0, (coverage.gapCount ?? listed) - listed),
  };
}
