import { WaybillError } from '../kernel/error.ts';
import type { GitOid } from '../kernel/git-oid.ts';
import type { ScanLevel, TreeScan } from '../plan/scan-levels.ts';
import type { RunContext } from '../run/port.ts';
import { keysOf, saysAnything } from '../scan/gate.ts';
import { countsOf, type ScanRecord } from '../scan/record.ts';
import type { ScanReport } from '../scan/report.ts';
import { parseWaivers } from '../scan/parse-waivers.ts';
import { noWaivers, waiversPath, type Waivers } from '../scan/waivers.ts';
import { compareChange } from './compare-change.ts';
import { keepScan } from './keep-scan.ts';
import type { World } from './world.ts';

const largestWaivers = 1024 * 1024;

/**
 * Scans the commit of a run, judges what was found against what was there before, and keeps the record before the verdict counts.
 * @throws WaybillError SCAN_FAILED with what is to be done
 */
export async function scanSource(world: World, context: RunContext, scan: TreeScan, level: ScanLevel): Promise<void> {
  const { head } = context;
  const base = await comparedWith(world, context);
  const waivers = await readWaivers(world, head.repository, head.commit);
  // No change chooses the rules that it is looked at with.
  const rulesFrom = head.event === 'change' && base !== undefined ? base : head.commit;
  const report = await look(world, context, scan, head.commit, { base, waivers, rulesFrom });
  const known = base !== undefined && saysAnything(report) ? await look(world, context, scan, base, { waivers, rulesFrom }) : undefined;
  const before = base === undefined ? undefined : { name: `gitCommit:${base}`, keys: known ? keysOf(known) : new Set<string>() };
  const { record, digest } = await keepScan(world, report, { level, alsoLevel: head.plan.scansBefore?.[scan], waivers, before });
  await context.emit({ type: 'scan-reported', scan, record: digest, passed: record.passed, level: record.level, found: countsOf(record) });
  tell(context, record);
  if (scan === 'dependencies' && head.event === 'change') {
    const looked = new Map(base !== undefined && known ? [[base, known] as const] : []);
    await compareChange(world, context, { now: report, waivers, looked });
  }
  if (!record.passed) throw failed(record);
}

/** What was looked at and found, in the log of the scan. */
export function tell(context: Pick<RunContext, 'log'>, record: ScanRecord): void {
  const { coverage } = record.report;
  context.log(
    'waybill',
    `looked at ${coverage.files} files, ${coverage.bytes} bytes, ${coverage.components} components; ${record.findingCount} findings, ${coverage.skippedCount} files skipped`,
  );
  for (const finding of record.findings.slice(0, 200)) {
    const [place] = finding.places;
    const where = place ? `${place.path}${place.line === undefined ? '' : `:${place.line}`}` : '';
    const state = finding.waiver
      ? `waived by ${finding.waiver.owner} until ${finding.waiver.expires}`
      : finding.isNew
        ? 'new'
        : 'known before';
    context.log(finding.fails ? 'stderr' : 'stdout', `${finding.severity}  ${where}  ${finding.title}  (${state})`);
    if (finding.fails) context.log('stderr', `    ${finding.fix}`);
  }
  for (const note of record.notes) context.log('waybill', note);
}

export function failed(record: ScanRecord): WaybillError {
  return new WaybillError('SCAN_FAILED', `${record.report.kind}: ${record.reasons.join('; ').slice(0, 2_000)}`);
}

/** The commit before: where a change branched off, what a merge was made onto. None for the first push. */
async function comparedWith(world: World, { head }: RunContext): Promise<GitOid | undefined> {
  if (head.event === 'change' && head.change) {
    const change = await world.source.getChange(head.change.id);
    return change.versions.find((version) => version.version === head.change?.version)?.base;
  }
  const merged = head.reviewed ? await world.source.reviewedCommit(head.repository, head.commit) : undefined;
  return merged?.onto;
}

async function look(
  world: World,
  context: RunContext,
  scan: TreeScan,
  commit: GitOid,
  { base, waivers, rulesFrom }: { readonly base?: GitOid | undefined; readonly waivers: Waivers; readonly rulesFrom: GitOid },
): Promise<ScanReport> {
  const { head, signal } = context;
  const options = { signal, log: (text: string) => context.log('waybill', text) };
  const { repository } = head;
  if (scan === 'dependencies') return world.scanning.scanners.dependencies({ repository, commit }, options);
  // A change is judged by all that its commits bring, also what a later one of them takes away: it would stay in the history.
  const since = head.event === 'change' && base !== undefined ? { since: base } : {};
  return world.scanning.scanners.secrets({ repository, commit, ...since, rulesFrom, salt: waivers.salt }, options);
}

/** The waivers of a commit: reviewed with it. */
export async function readWaivers(world: Pick<World, 'source'>, repository: string, commit: GitOid): Promise<Waivers> {
  const bytes = await world.source.readFile(repository, commit, waiversPath, { maxBytes: largestWaivers });
  return bytes ? parseWaivers(bytes.toString('utf8')) : noWaivers;
}
