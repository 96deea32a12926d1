import type { ScanLevel } from '../plan/scan-levels.ts';
import type { JudgedFinding } from './finding.ts';
import { judgedOf, judgeScan, keysOf, type WeighedFinding } from './gate.ts';
import type { ScanRecord } from './record.ts';
import type { ScanReport } from './report.ts';
import type { Waivers } from './waivers.ts';

/** Two looks at what is released and what would be, through one database of advisories. */
export type CompareInput = {
  /** What would be released. */
  readonly now: ScanReport;
  /** What is released; undefined: nothing is, or nothing is known of it, and everything counts as new. */
  readonly was?: ScanReport;
  /** What the released one was known to have when it was scanned; undefined: that cannot be told. */
  readonly known?: KnownThen;
  /** Each of them has to hold. */
  readonly levels: readonly ScanLevel[];
  readonly waivers: Waivers;
  readonly at: Date;
  /** How old an ecosystem's advisories may be, where a level asks for them. */
  readonly databaseDays: number;
};

export type Compared = {
  readonly passed: boolean;
  /** One sentence each; empty when it passed. */
  readonly reasons: readonly string[];
  /** In the new one and not in the released one: what this brings. Worst first. */
  readonly fresh: readonly WeighedFinding[];
  /** In the released one and not in the new one. */
  readonly gone: readonly JudgedFinding[];
  /** Vulnerabilities of both that nobody knew of when the released one was scanned. */
  readonly learned: readonly WeighedFinding[];
  /** In both, those that were learned among them. */
  readonly kept: number;
};

/** Names of vulnerabilities, each with its package. */
export type KnownThen = ReadonlySet<string>;

/**
 * Tells what a release would bring from what the world has learned. Pure. Both reports have to come from the same advisories: a vulnerability that was published yesterday
 * is then found on both sides, and is no news of the release.
 */
export function compareReports({ now, was, known, levels, waivers, at, databaseDays }: CompareInput): Compared {
  const before = was && keysOf(was);
  const verdicts = (levels.length > 0 ? levels : (['report'] as const)).map((fail) =>
    judgeScan({ report: now, fail, waivers, now: at, databaseDays, ...(before ? { before } : {}) }),
  );
  const findings = (verdicts[0]?.findings ?? []).map((finding, nth) => ({
    ...finding,
    fails: verdicts.some((verdict) => verdict.findings[nth]?.fails === true),
  }));
  const kept = findings.filter(({ isNew }) => !isNew);
  const has = keysOf(now);
  return {
    passed: verdicts.every(({ passed }) => passed),
    reasons: [...new Set(verdicts.flatMap(({ reasons }) => reasons))],
    fresh: worstFirst(findings.filter(({ isNew }) => isNew)),
    gone: was ? worstFirst(judgedOf(was).filter(({ key }) => !has.has(key))) : [],
    learned: known ? worstFirst(kept.filter((finding) => finding.kind === 'vulnerability' && !wasKnown(known, finding))) : [],
    kept: kept.length,
  };
}

const ranks = { critical: 0, unknown: 1, high: 2, medium: 3, low: 4 } as const;

function worstFirst<T extends JudgedFinding>(findings: readonly T[]): readonly T[] {
  return findings.toSorted((a, b) => ranks[a.severity] - ranks[b.severity] || (a.key < b.key ? -1 : 1));
}

/**
 * What records say was known. An advisory may have had another best-known name then (a GHSA before it got its CVE), so all its names count.
 * @returns undefined where a record was cut off: what it left out may have been known
 */
export function knownThen(records: readonly Pick<ScanRecord, 'findings' | 'findingCount'>[]): KnownThen | undefined {
  if (records.length === 0 || records.some(({ findings, findingCount }) => findings.length < findingCount)) return undefined;
  return new Set(
    records.flatMap(({ findings }) => findings.flatMap((finding) => (finding.kind === 'vulnerability' ? namesOf(finding) : []))),
  );
}

type Named = Extract<JudgedFinding, { kind: 'vulnerability' }>;
const namesOf = ({ id, aliases, ecosystem, package: name }: Named) =>
  [id, ...aliases].map((each) => JSON.stringify([each.toLowerCase(), ecosystem, name]));
const wasKnown = (known: KnownThen, finding: Named) => namesOf(finding).some((name) => known.has(name));
