import { z } from 'zod';
import { WaybillError } from '../kernel/error.ts';
import { canonicalJson } from '../kernel/json.ts';
import type { ScanLevel } from '../plan/scan-levels.ts';
import type { JudgedFinding } from './finding.ts';
import type { ScanVerdict, WeighedFinding } from './gate.ts';
import { scanKinds, type ScanReport } from './report.ts';

/** A scan as it is kept: what was looked at and found, and what the gate said. JSON. */
export type ScanRecord = {
  readonly version: 1;
  readonly report: Omit<ScanReport, 'findings'>;
  readonly level: ScanLevel;
  readonly judgedAt: string;
  /** What "new" was measured against: a commit, or the digest of an image. */
  readonly comparedWith?: string;
  readonly databaseDays: number;
  readonly passed: boolean;
  readonly reasons: readonly string[];
  readonly notes: readonly string[];
  readonly findings: readonly RecordedFinding[];
  /** All of them: the list ends at ten thousand. */
  readonly findingCount: number;
};

export type RecordedFinding = JudgedFinding & {
  readonly isNew: boolean;
  readonly fails: boolean;
  readonly waiver?: { readonly reason: string; readonly owner: string; readonly expires: string };
};

const mostFindings = 10_000;

export function recordOf(
  report: ScanReport,
  verdict: ScanVerdict,
  judged: Pick<ScanRecord, 'level' | 'judgedAt' | 'databaseDays' | 'comparedWith'>,
): ScanRecord {
  const { findings: _, ...rest } = report;
  return {
    version: 1,
    report: rest,
    ...judged,
    passed: verdict.passed,
    reasons: verdict.reasons,
    notes: verdict.notes,
    // What makes it fail comes first, so that a cut hides the least.
    findings: verdict.findings
      .toSorted((a, b) => Number(b.fails) - Number(a.fails))
      .slice(0, mostFindings)
      .map(recordedFinding),
    findingCount: verdict.findings.length,
  };
}

/** Without what only the gate needs of a waiver. */
export function recordedFinding({ waiver, ...finding }: WeighedFinding): RecordedFinding {
  return { ...finding, ...(waiver ? { waiver: { reason: waiver.reason, owner: waiver.owner, expires: waiver.expires } } : {}) };
}

/** One text for one record. */
export function recordText(record: ScanRecord): string {
  return canonicalJson(record);
}

const recordShape = z.object({
  version: z.literal(1),
  report: z.looseObject({
    kind: z.enum(scanKinds),
    scanner: z.string(),
    startedAt: z.string(),
    finishedAt: z.string(),
    coverage: z.looseObject({}),
  }),
  level: z.string(),
  passed: z.boolean(),
  findings: z.array(z.looseObject({ kind: z.string(), key: z.string() })),
});

/** Reads what `recordText` wrote; its digest is what vouches for the rest of its shape. @throws WaybillError INVALID_INPUT */
export function parseRecord(text: string): ScanRecord {
  const value: unknown = JSON.parse(text);
  const parsed = recordShape.safeParse(value);
  if (!parsed.success) throw new WaybillError('INVALID_INPUT', `this is no record of a scan: ${z.prettifyError(parsed.error)}`);
  return value as ScanRecord;
}

/** In few numbers. */
export function countsOf({ findings, findingCount }: Pick<ScanRecord, 'findings' | 'findingCount'>): {
  readonly failing: number;
  readonly new: number;
  readonly known: number;
  readonly waived: number;
} {
  const waived = findings.filter((finding) => finding.waiver !== undefined).length;
  const isNew = findings.filter((finding) => finding.isNew && finding.waiver === undefined).length;
  return { failing: findings.filter((finding) => finding.fails).length, new: isNew, known: findingCount - isNew - waived, waived };
}
