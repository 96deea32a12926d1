import { WaybillError } from '../kernel/error.ts';
import type { Digest } from '../kernel/digest.ts';
import type { RunId } from '../kernel/ids.ts';
import type { FoundFact, ImportScan, SbomFacts, ScanFacts } from '../evidence/facts.ts';
import type { Scanned } from '../run/event.ts';
import { stateOf } from '../run/machine.ts';
import type { ScanDocuments } from '../scan/documents.ts';
import { parseRecord, type RecordedFinding, type ScanRecord } from '../scan/record.ts';
import { sourceFacts, type FactsDeps } from './facts.ts';

export type ScanFactsDeps = FactsDeps & { readonly documents: Pick<ScanDocuments, 'get'> };

const refused = (detail: string) => new WaybillError('VERDICT_REFUSED', detail);

/** What a run's journal shows of a scan that passed, with the record that the journal names by digest. */
export async function scanFacts(deps: ScanFactsDeps, run: RunId, scan: ScanFacts['scan'], imageName?: string): Promise<ScanFacts> {
  const state = stateOf(await deps.journal.events(run));
  const source = await sourceFacts(deps, state);
  if (scan !== 'image') {
    const done = state.scans.find((each) => each.name === scan);
    if (!done?.scanned || done.status !== 'passed') throw refused(`the scan of ${scan} has not passed in run ${run}`);
    return factsOf({ source, run, scan }, done.scanned, await record(deps, done.scanned, scan));
  }
  const image = state.images.find((each) => each.name === imageName);
  if (!image?.scanned || !image.digest || !image.repository) throw refused(`run ${run} has not scanned and pushed an image ${imageName}`);
  const subject = { repository: image.repository, digest: image.digest };
  return factsOf({ source, run, scan, image: subject }, image.scanned, await record(deps, image.scanned, scan));
}

export async function sbomFacts(deps: ScanFactsDeps, run: RunId, imageName: string): Promise<SbomFacts> {
  const state = stateOf(await deps.journal.events(run));
  const image = state.images.find((each) => each.name === imageName);
  if (!image?.scanned || !image.digest || !image.repository) throw refused(`run ${run} has not scanned and pushed an image ${imageName}`);
  return {
    source: await sourceFacts(deps, state),
    run,
    image: { repository: image.repository, digest: image.digest },
    document: JSON.parse(await deps.documents.get('sbom', image.scanned.sbom)),
  };
}

/** The scans that must have passed before an image of this run may go anywhere; none for a run that was planned before there were any. */
export async function requiredScans(deps: FactsDeps, run: RunId): Promise<readonly ScanFacts['scan'][]> {
  const { plan } = stateOf(await deps.journal.events(run)).head;
  return plan.scans === undefined ? [] : ['secrets', 'dependencies', 'image'];
}

async function record(deps: ScanFactsDeps, scanned: Scanned, scan: ScanFacts['scan']): Promise<ScanRecord> {
  const found = parseRecord(await deps.documents.get('record', scanned.record));
  if (found.report.kind !== scan) throw refused(`the record ${scanned.record} is of a scan of ${found.report.kind}, not of ${scan}`);
  if (!found.passed || !scanned.passed) throw refused(`the scan of ${scan} did not pass: ${found.reasons.join('; ').slice(0, 500)}`);
  return found;
}

function factsOf(
  about: Pick<ScanFacts, 'source' | 'run' | 'scan' | 'image'>,
  { record: digest }: { readonly record: Digest },
  { report, level, comparedWith, findings }: ScanRecord,
): ScanFacts {
  const { coverage, scanner, startedAt, finishedAt } = report;
  return {
    ...about,
    record: digest,
    scanner,
    startedAt,
    finishedAt,
    level,
    ...(comparedWith === undefined ? {} : { comparedWith }),
    covered: { files: coverage.files, bytes: coverage.bytes, components: coverage.components, skipped: coverage.skippedCount },
    ...(coverage.rules ? { rules: coverage.rules } : {}),
    databases: coverage.databases ?? [],
    findings: findings.map(foundFact),
  };
}

/** What a scan of an import found; nothing is known about its source, and nobody has waived anything in it. */
export function importScan(record: Digest, { report, findings }: ScanRecord): ImportScan {
  const { coverage, scanner, finishedAt } = report;
  return {
    record,
    scanner,
    finishedAt,
    covered: { files: coverage.files, bytes: coverage.bytes, components: coverage.components, skipped: coverage.skippedCount },
    databases: coverage.databases ?? [],
    findings: findings.map(foundFact),
  };
}

function foundFact(finding: RecordedFinding): FoundFact {
  const { kind, severity, isNew, fails, waiver } = finding;
  return {
    kind,
    id: finding.kind === 'vulnerability' ? finding.id : finding.kind === 'gap' ? finding.title.slice(0, 500) : finding.rule,
    severity,
    isNew,
    fails,
    ...(finding.kind === 'vulnerability'
      ? {
          component: finding.purl,
          fixed: finding.fixed,
          ...(finding.vector === undefined ? {} : { vector: finding.vector }),
          ...(finding.notAffected === undefined ? {} : { notAffected: finding.notAffected }),
        }
      : {}),
    ...(waiver ? { waiver } : {}),
  };
}
