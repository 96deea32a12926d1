import type { Place } from '../scan/finding.ts';
import type { ScanReport } from '../scan/report.ts';
import type { Severity } from '../scan/severity.ts';
import type { ScanVerdict, WeighedFinding } from '../scan/gate.ts';

const levels: Readonly<Record<Severity, 'error' | 'warning' | 'note'>> = {
  critical: 'error',
  high: 'error',
  unknown: 'error',
  medium: 'warning',
  low: 'note',
};
/** What code hosts sort by: GitHub reads `security-severity` as a CVSS score. */
const scores: Readonly<Record<Severity, string>> = { critical: '9.5', high: '8.0', unknown: '8.0', medium: '5.5', low: '2.0' };

/** SARIF 2.1.0 (OASIS), one run. Findings that are waived, or do no harm by VEX, are suppressed ones (§3.27.23), known ones are `unchanged` (§3.27.24), gaps are notifications too (§3.20.21). */
export function sarif(report: ScanReport, verdict: ScanVerdict): object {
  const ids = [...new Set(verdict.findings.map(ruleOf))];
  const [name = 'waybill', version = '0'] = report.scanner.split(' ');
  return {
    $schema: 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name, version, rules: ids.map((id) => rule(id, verdict.findings)) } },
        automationDetails: { id: `${name}/${report.kind}/` },
        invocations: [
          {
            executionSuccessful: true,
            startTimeUtc: report.startedAt,
            endTimeUtc: report.finishedAt,
            toolExecutionNotifications: report.coverage.skipped.map((skipped) => ({
              level: skipped.reason === 'binary' || skipped.reason === 'excluded' ? 'note' : 'warning',
              message: { text: `${skipped.path} was not looked at: ${skipped.detail}` },
              locations: [location({ path: skipped.path })],
            })),
          },
        ],
        columnKind: 'utf16CodeUnits',
        results: verdict.findings.map((finding) => result(finding, ids.indexOf(ruleOf(finding)))),
        properties: { passed: verdict.passed, reasons: verdict.reasons, coverage: { ...report.coverage, skipped: undefined } },
      },
    ],
  };
}

function ruleOf(finding: WeighedFinding): string {
  switch (finding.kind) {
    case 'secret':
    case 'image':
      return finding.rule;
    case 'vulnerability':
      return finding.id;
    case 'gap':
      return 'not-looked-at';
  }
}

function rule(id: string, findings: readonly WeighedFinding[]): object {
  const found = findings.find((finding) => ruleOf(finding) === id);
  const severity = found?.severity ?? 'unknown';
  return {
    id,
    shortDescription: { text: found?.kind === 'gap' ? 'Something could not be looked at' : (found?.title ?? id) },
    ...(found?.kind === 'vulnerability' && found.url !== undefined && isUri(found.url) ? { helpUri: found.url } : {}),
    help: { text: found?.fix ?? '' },
    defaultConfiguration: { level: levels[severity] },
    properties: { 'security-severity': scores[severity], tags: ['security'] },
  };
}

function result(finding: WeighedFinding, ruleIndex: number): object {
  return {
    ruleId: ruleOf(finding),
    ruleIndex,
    level: levels[finding.severity],
    message: { text: `${finding.title}. ${finding.fix}` },
    locations: finding.places.slice(0, 1).map(location),
    ...(finding.places.length > 1
      ? { relatedLocations: finding.places.slice(1, 100).map((place, id) => ({ id: id + 1, ...location(place) })) }
      : {}),
    partialFingerprints: { 'waybillKey/v1': finding.key },
    baselineState: finding.isNew ? 'new' : 'unchanged',
    ...(finding.kind === 'secret' && finding.allowed !== undefined && !finding.waiver
      ? { suppressions: [{ kind: 'inSource', status: 'accepted', justification: finding.allowed }] }
      : {}),
    ...(finding.waiver
      ? {
          suppressions: [
            {
              kind: 'external',
              status: 'accepted',
              justification: `${finding.waiver.reason} (${finding.waiver.owner}, until ${finding.waiver.expires})`,
            },
          ],
        }
      : finding.kind === 'vulnerability' && finding.notAffected !== undefined
        ? { suppressions: [{ kind: 'external', status: 'accepted', justification: finding.notAffected }] }
        : {}),
  };
}

/** An advisory's link is whatever somebody wrote (RFC 3986: ASCII, and no blanks). */
function isUri(text: string): boolean {
  return /^https?:\/\/[\w.:[\]-]+(?:[/?#][!#$&-;=?-Z_a-z~[\]%]*)?$/.test(text) && URL.canParse(text) && !/%(?![0-9a-f]{2})/i.test(text);
}

function location(place: Place): object {
  const [file = place.path] = place.path.split(' → ');
  return {
    physicalLocation: {
      // What is no character (half of a pair, as JSON can write it) has no encoding.
      artifactLocation: { uri: file.toWellFormed().split('/').map(encodeURIComponent).join('/') },
      ...(place.line === undefined
        ? {}
        : { region: { startLine: place.line, ...(place.column === undefined ? {} : { startColumn: place.column }) } }),
    },
    ...(place.layer ? { properties: { layer: place.layer.digest, createdBy: place.layer.createdBy } } : {}),
    ...(place.path === file ? {} : { logicalLocations: [{ fullyQualifiedName: place.path }] }),
  };
}
