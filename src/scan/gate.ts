import { isGap, type Coverage } from './coverage.ts';
import { fails } from './fails.ts';
import type { GapFinding, JudgedFinding, SecretFinding } from './finding.ts';
import type { ScanLevel } from '../plan/scan-levels.ts';
import type { ScanReport } from './report.ts';
import { findWaiver, type NamedWaiver, unusedWaivers } from './apply-waivers.ts';
import { holds, type Waivers } from './waivers.ts';

export type GateInput = {
  readonly report: ScanReport;
  readonly fail: ScanLevel;
  readonly waivers: Waivers;
  /** Keys of what was there before: on the target branch, in the last image. Undefined: there is no before, and everything is new. */
  readonly before?: ReadonlySet<string>;
  readonly now: Date;
  /** How old an ecosystem's advisories may be. */
  readonly databaseDays: number;
};

export type WeighedFinding = JudgedFinding & {
  readonly isNew: boolean;
  /** It is one of the reasons why the scan fails. */
  readonly fails: boolean;
  readonly waiver?: NamedWaiver;
};

export type ScanVerdict = {
  readonly passed: boolean;
  /** One sentence each; empty when it passed. */
  readonly reasons: readonly string[];
  readonly findings: readonly WeighedFinding[];
  /** What somebody should tidy up: waivers that are over, too long, or meet nothing. */
  readonly notes: readonly string[];
};

/**
 * Judges what a scanner found. Pure. It begins with "failed" and passes only when the scan looked at all that it had to look at, with advisories that are
 * there and not too old, and found nothing that the level forbids and no waiver accepts.
 */
export function judgeScan(input: GateInput): ScanVerdict {
  const { report, fail, waivers, now } = input;
  const notes: string[] = [];
  const used = new Set<object>();
  const findings = judgedOf(report).map((finding): WeighedFinding => {
    const isNew = input.before === undefined || !input.before.has(finding.key);
    const waiver = findWaiver(waivers, finding);
    if (waiver) used.add(waiver.entry);
    const state = waiver && holds(waiver, now);
    if (waiver && state === 'expired') notes.push(`the waiver of ${waiver.owner} for ${waiver.what} is over since ${waiver.expires}`);
    if (waiver && state === 'too long')
      notes.push(`the waiver of ${waiver.owner} for ${waiver.what} ends more than a year from now, and does not count`);
    const accepted = waiver !== undefined && state === true;
    const harmless =
      (finding.kind === 'vulnerability' && finding.notAffected !== undefined) ||
      (finding.kind === 'secret' && finding.allowed !== undefined);
    return {
      ...finding,
      isNew,
      fails:
        !accepted &&
        !harmless &&
        fails(fail, { severity: finding.severity, isNew, habit: finding.kind === 'image' || isPublished(report.kind, finding) }),
      ...(accepted ? { waiver } : {}),
    };
  });
  notes.push(...unusedWaivers(waivers, report.kind, used).map((what) => `a waiver meets nothing any more: ${what}`));
  const reasons = [
    ...(fail === 'report' ? [] : databaseReasons(report.coverage, input)),
    ...emptyReasons(report),
    ...findingReasons(findings),
  ];
  return { passed: reasons.length === 0, reasons, findings, notes };
}

/**
 * A credential in what a package manager has installed into an image stands in a package that everybody can download: an example, or somebody else's. It is told, and treated
 * like a habit of the image.
 */
function isPublished(kind: ScanReport['kind'], finding: JudgedFinding): boolean {
  return kind === 'image' && finding.kind === 'secret' && finding.places.every(({ path }) => installed.test(path));
}

const installed = /(?:^|\/)(?:node_modules\/(?:@[^/]+\/)?[^./][^/]*|site-packages|dist-packages)\/.+/;

/** All that is judged: what a scanner found, and what it could not look at. */
export function judgedOf(report: ScanReport): readonly JudgedFinding[] {
  return [...report.findings, ...gaps(report)];
}

/** Keys to compare a later scan with. */
export function keysOf(report: ScanReport): ReadonlySet<string> {
  return new Set(judgedOf(report).map((finding) => finding.key));
}

/** Whether there is anything that could be new: a gap is a finding, too. */
export function saysAnything({ findings, coverage }: ScanReport): boolean {
  return findings.length > 0 || coverage.skippedCount > 0;
}

function gaps({ coverage, kind }: ScanReport): readonly GapFinding[] {
  const listed = coverage.skipped.filter(isGap).map((skipped): GapFinding => ({
    kind: 'gap',
    key: `gap:${kind}:${skipped.reason}:${skipped.path}`,
    severity: 'unknown',
    title: `${skipped.path} was not looked at (${skipped.detail})`,
    fix: 'Take it out, make it smaller, or accept it under `gaps` in the waivers.',
    places: [{ path: skipped.path }],
  }));
  const more = (coverage.gapCount ?? coverage.skippedCount - coverage.skipped.length + listed.length) - listed.length;
  if (more <= 0) return listed;
  const title = `${more} more files were not looked at, too many to be named`;
  return [
    ...listed,
    {
      kind: 'gap',
      key: `gap:${kind}:more`,
      severity: 'unknown',
      title,
      fix: 'Exclude what need not be looked at.',
      places: [{ path: '.' }],
    },
  ];
}

/** A scanner that had no rules, or whose tree was empty, has proved nothing. */
function emptyReasons({ kind, coverage }: ScanReport): readonly string[] {
  if (kind !== 'secrets') return [];
  if ((coverage.rules?.count ?? 0) === 0) return ['the scan had no rules'];
  return [];
}

/** Why a look is worth nothing, whatever it found: advisories that are not there, or too old. */
export function databaseReasons(coverage: Coverage, { now, databaseDays }: Pick<GateInput, 'now' | 'databaseDays'>): readonly string[] {
  return (coverage.databases ?? []).flatMap(({ ecosystem, advisories, updatedAt }) => {
    if (advisories === 0) return [`there are no advisories for ${ecosystem} to look anything up in: waybill db update`];
    const days = (now.getTime() - Date.parse(updatedAt)) / 86_400_000;
    if (!(days <= databaseDays))
      return [
        `the advisories for ${ecosystem} are of ${updatedAt.slice(0, 10)}, and at most ${databaseDays} days are allowed: waybill db update`,
      ];
    return [];
  });
}

function findingReasons(findings: readonly WeighedFinding[]): readonly string[] {
  const bad = findings.filter((finding) => finding.fails);
  const shown = bad.slice(0, 20).map((finding) => {
    const [place] = finding.places;
    const where = place ? ` in ${place.path}${place.line === undefined ? '' : `:${place.line}`}` : '';
    return `${finding.isNew ? 'new: ' : ''}${finding.title}${where}`;
  });
  return bad.length > shown.length ? [...shown, `and ${bad.length - shown.length} more`] : shown;
}

/** What a waiver for a credential has to say. */
export function waiverFor(finding: SecretFinding): { readonly rule: string; readonly fingerprint: string } {
  return { rule: finding.rule, fingerprint: finding.fingerprint };
}
