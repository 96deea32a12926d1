import { isGap, type Coverage } from './coverage.ts';
import type { Finding } from './finding.ts';
import { keysOf } from './gate.ts';
import type { RecordedFinding, ScanRecord } from './record.ts';
import type { ScanReport } from './report.ts';
import { SkipList } from './skip-list.ts';

/**
 * The report of a second look at an image, which has its list of components and no layers: what today's advisories say of the list, and of everything else what
 * the first looks at the image and at its source said, because neither has changed. What they could not look at is as open as it was.
 * @param first the records of the scan of the image, and of the libraries of its source where there is one
 */
export function lookedAgain(
  today: ScanReport,
  first: { readonly image: ScanRecord; readonly source?: ScanRecord },
): { readonly report: ScanReport; readonly before: ReadonlySet<string> } {
  const { image, source } = first;
  const records = source ? [image, source] : [image];
  const kept = image.findings.filter(isOfLayers).map(unjudged);
  const was = image.report.coverage;
  const report: ScanReport = {
    ...today,
    coverage: {
      files: was.files,
      bytes: was.bytes,
      components: today.coverage.components,
      ...(was.rules ? { rules: was.rules } : {}),
      databases: today.coverage.databases ?? [],
      ...skippedIn([...records.map((record) => record.report.coverage), today.coverage]),
    },
    findings: [...today.findings, ...kept],
  };
  const known = {
    ...report,
    findings: [],
    coverage: { ...report.coverage, ...skippedIn(records.map((record) => record.report.coverage)) },
  };
  return { report, before: new Set([...records.flatMap((record) => record.findings.map(({ key }) => key)), ...keysOf(known)]) };
}

/** What only the layers show: credentials, habits of the image. Gaps are made from the coverage again. */
export function isOfLayers(finding: RecordedFinding): finding is Extract<RecordedFinding, { readonly kind: 'secret' | 'image' }> {
  return finding.kind === 'secret' || finding.kind === 'image';
}

/** As the scanner said it: a waiver may be over by now. */
function unjudged({
  isNew: _new,
  fails: _fails,
  waiver: _waiver,
  ...finding
}: Extract<RecordedFinding, { kind: 'secret' | 'image' }>): Finding {
  return finding;
}

/** Each place once; what was cut off of the lists stays cut off, and counts. */
function skippedIn(all: readonly Coverage[]): Pick<Coverage, 'skipped' | 'skippedCount' | 'gapCount'> {
  const list = new SkipList();
  const seen = new Set<string>();
  let cut = 0;
  let cutGaps = 0;
  for (const { skipped, skippedCount, gapCount } of all) {
    for (const each of skipped) {
      const key = `${each.reason} ${each.path}`;
      if (!seen.has(key)) list.add(each);
      seen.add(key);
    }
    const listedGaps = skipped.filter(isGap).length;
    cut += skippedCount - skipped.length;
    cutGaps += Math.max(0, (gapCount ?? skippedCount - skipped.length + listedGaps) - listedGaps);
  }
  const { skipped, skippedCount, gapCount } = list.coverage;
  return { skipped, skippedCount: skippedCount + cut, gapCount: (gapCount ?? 0) + cutGaps };
}
