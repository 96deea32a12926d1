import type { Digest } from '../kernel/digest.ts';
import type { ScanLevel } from '../plan/scan-levels.ts';
import { judgeScan } from '../scan/gate.ts';
import { recordOf, recordText, type ScanRecord } from '../scan/record.ts';
import type { ScanReport } from '../scan/report.ts';
import type { Waivers } from '../scan/waivers.ts';
import type { World } from './world.ts';

/** Judges what a scanner found, and keeps the record before the verdict counts. `before`: what "new" is measured against, and its keys. */
export async function keepScan(
  { clock, scanning }: Pick<World, 'clock' | 'scanning'>,
  report: ScanReport,
  by: {
    readonly level: ScanLevel;
    readonly waivers: Waivers;
    readonly before?: { readonly name: string; readonly keys: ReadonlySet<string> } | undefined;
  },
): Promise<{ readonly record: ScanRecord; readonly digest: Digest }> {
  const { level, waivers, before } = by;
  const { databaseDays, documents } = scanning;
  const now = clock.now();
  const verdict = judgeScan({ report, fail: level, waivers, now, databaseDays, ...(before ? { before: before.keys } : {}) });
  const record = recordOf(report, verdict, {
    level,
    judgedAt: now.toISOString(),
    databaseDays,
    ...(before ? { comparedWith: before.name } : {}),
  });
  return { record, digest: await documents.put('record', recordText(record)) };
}
