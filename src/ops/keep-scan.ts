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
    /** Held to this level, too; see levels-before.ts. The record is by the level that says no. */
    readonly alsoLevel?: ScanLevel | undefined;
    readonly waivers: Waivers;
    readonly before?: { readonly name: string; readonly keys: ReadonlySet<string> } | undefined;
  },
): Promise<{ readonly record: ScanRecord; readonly digest: Digest }> {
  const { alsoLevel, waivers, before } = by;
  const { databaseDays, documents } = scanning;
  const now = clock.now();
  const judge = (fail: ScanLevel) => judgeScan({ report, fail, waivers, now, databaseDays, ...(before ? { before: before.keys } : {}) });
  let level = by.level;
  let verdict = judge(level);
  if (verdict.passed && alsoLevel !== undefined && alsoLevel !== level) {
    const also = judge(alsoLevel);
    if (!also.passed) {
      level = alsoLevel;
      const note = `it passes by \`${by.level}\`, which this commit sets, and not by \`${alsoLevel}\`, which held before it`;
      verdict = { ...also, notes: [note, ...also.notes] };
    }
  }
  const record = recordOf(report, verdict, {
    level,
    judgedAt: now.toISOString(),
    databaseDays,
    ...(before ? { comparedWith: before.name } : {}),
  });
  return { record, digest: await documents.put('record', recordText(record)) };
}
