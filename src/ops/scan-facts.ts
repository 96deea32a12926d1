import { WaybillError } from '../kernel/error.ts';
import type { Digest } from '../kernel/digest.ts';
import type { RunId } from '../kernel/ids.ts';
import type { FoundFact, ImportScan, RescanFacts, SbomFacts, ScanFacts } from '../evidence/facts.ts';
import type { Scanned } from '../run/event.ts';
import { stateOf } from '../run/machine.ts';
import type { ScanDocuments } from '../scan/documents.ts';
import { isOfLayers } from '../scan/look-again.ts';
import { inventoryFromSbom } from '../scan/sbom/read-sbom.ts';
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

/**
 * What the journal shows of the newest look at an image since its run: about the list of components that the run made, all of it, and nothing left out of what only
 * the run could see. Whether it found something does not matter.
 */
export async function rescanFacts(deps: ScanFactsDeps, run: RunId, imageName: string): Promise<RescanFacts> {
  const events = await deps.journal.events(run);
  const state = stateOf(events);
  const image = state.images.find((each) => each.name === imageName);
  if (!image?.scanned || !image.rescanned || !image.digest || !image.repository)
    throw refused(`run ${run} has no image ${imageName} that was looked at again`);
  const { rescanned, scanned, digest, repository } = image;
  const first = parseRecord(await deps.documents.get('record', scanned.record));
  const found = parseRecord(await deps.documents.get('record', rescanned.record));
  if (found.report.kind !== 'image' || found.comparedWith !== digest)
    throw refused(`the record ${rescanned.record} is of no later look at ${digest}`);
  const { components } = inventoryFromSbom(await deps.documents.get('sbom', scanned.sbom)).inventory;
  if (found.report.coverage.components !== components.length)
    throw refused(`the later look at ${digest} was at ${found.report.coverage.components} of its ${components.length} components`);
  const keys = new Set(found.findings.map(({ key }) => key));
  const lost = first.findings.find((finding) => isOfLayers(finding) && !keys.has(finding.key));
  // A list that was cut off at its end may have lost it there.
  if (lost && found.findings.length === found.findingCount)
    throw refused(`the later look at ${digest} leaves out ${lost.key}, which its run found`);
  const told = events.filter(({ event }) => event.type === 'image-rescanned' && event.image === imageName).map(({ at }) => at);
  const about = { source: await sourceFacts(deps, state), run, image: { repository, digest } };
  return {
    ...factsOf({ ...about, scan: 'image' }, rescanned, found),
    scan: 'image',
    sbom: scanned.sbom,
    databaseDays: found.databaseDays,
    toldAt: rescanned.at,
    before: [first.report.finishedAt, ...told.slice(0, -1)],
  };
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
