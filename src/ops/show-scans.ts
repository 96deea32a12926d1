import type { ChangeView } from '../api/change-views.ts';
import type { FindingView, ScanView } from '../api/scan-views.ts';
import type { Digest } from '../kernel/digest.ts';
import type { RunId } from '../kernel/ids.ts';
import type { Scanned } from '../run/event.ts';
import { parseRecord, type RecordedFinding, type ScanRecord } from '../scan/record.ts';
import type { Place } from '../scan/finding.ts';
import type { World } from './world.ts';

/** The records of a run's scans: of its source, then of each image, and of the newest look at it since. */
export async function showScans(world: Pick<World, 'journal' | 'scanning'>, run: RunId): Promise<ScanView[]> {
  const state = await world.journal.state(run);
  const views: ScanView[] = [];
  for (const { name, scanned } of state.scans) if (scanned) views.push(await viewOf(world, name, scanned));
  for (const { name, scanned, rescanned } of state.images) {
    if (scanned) views.push(await viewOf(world, `image ${name}`, scanned));
    if (rescanned) views.push(await viewOf(world, `image ${name}, looked at again`, rescanned));
  }
  return views;
}

/** Those of the run of a change's newest version. */
export async function scansOfChange(world: Pick<World, 'journal' | 'scanning'>, change: ChangeView): Promise<ScanView[]> {
  const run = newestRunOf(change);
  return run === undefined ? [] : showScans(world, run);
}

/** The run that tests the newest version, once it has begun. */
export function newestRunOf({ versions, runs }: ChangeView): RunId | undefined {
  const newest = Math.max(0, ...versions.map(({ version }) => version));
  return runs.find((each) => each.event === 'change' && each.version === newest)?.id as RunId | undefined;
}

async function viewOf(world: Pick<World, 'scanning'>, name: string, scanned: Scanned): Promise<ScanView> {
  return recordView(name, scanned.record, parseRecord(await world.scanning.documents.get('record', scanned.record)));
}

/** A record as people and programs see it. */
export function recordView(name: string, digest: Digest, record: ScanRecord): ScanView {
  const { coverage, scanner, startedAt, finishedAt } = record.report;
  return {
    name,
    record: digest,
    scanner,
    passed: record.passed,
    level: record.level,
    reasons: [...record.reasons],
    notes: [...record.notes],
    ...(record.comparedWith === undefined ? {} : { comparedWith: record.comparedWith }),
    startedAt,
    finishedAt,
    covered: {
      files: coverage.files,
      bytes: coverage.bytes,
      components: coverage.components,
      ...(coverage.rules ? { rules: coverage.rules.count } : {}),
      databases: (coverage.databases ?? []).map(({ ecosystem, advisories, updatedAt }) => ({ ecosystem, advisories, updatedAt })),
      skipped: coverage.skipped.map((skipped) => ({ ...skipped })),
      skippedCount: coverage.skippedCount,
    },
    findings: record.findings.map(findingOf),
    findingCount: record.findingCount,
  };
}

export function findingOf(finding: RecordedFinding): FindingView {
  const { kind, key, severity, title, fix, isNew, fails, waiver } = finding;
  return {
    kind,
    id: kind === 'vulnerability' ? finding.id : kind === 'gap' ? 'not looked at' : finding.rule,
    key,
    severity,
    title,
    fix,
    where: finding.places.slice(0, 20).map(placeText),
    isNew,
    fails,
    ...(kind === 'vulnerability'
      ? {
          component: finding.purl,
          fixed: [...finding.fixed],
          paths: finding.paths.map((path) => [...path]),
          ...(finding.notAffected === undefined ? {} : { notAffected: finding.notAffected }),
        }
      : {}),
    ...(kind === 'secret' ? { fingerprint: finding.fingerprint } : {}),
    ...(waiver ? { waiver: { ...waiver } } : {}),
  };
}

function placeText({ path, line, commits, layer }: Place): string {
  const at = line === undefined ? path : `${path}:${line}`;
  if (layer) return `${at} (layer ${layer.digest.slice(7, 19)}: ${layer.createdBy.slice(0, 120)})`;
  return commits && commits.length > 0
    ? `${at} (${commits
        .slice(0, 3)
        .map((commit) => commit.slice(0, 12))
        .join(', ')})`
    : at;
}
