import type { FindingView, ScanView } from './scan-views.ts';

const mostRows = 50;

/**
 * The report of a run's scans as Markdown: what is new, where, how bad, what to do. Everything that comes from the scanned tree is escaped, so that a
 * file's name cannot write the report.
 */
export function scanReport(scans: readonly ScanView[]): string {
  if (scans.length === 0) return 'Nothing was scanned.\n';
  return `${scans.map(partOf).join('\n')}`;
}

function partOf(scan: ScanView): string {
  const { covered } = scan;
  const bad = scan.findings.filter((finding) => finding.fails);
  const fresh = scan.findings.filter((finding) => !finding.fails && finding.isNew);
  const judged = scan.level !== 'report' || !scan.passed;
  const known = scan.findings.filter((finding) => !finding.fails && !finding.isNew);
  const rest = scan.findingCount - bad.length - fresh.length - (judged ? 0 : known.length);
  const lines = [
    judged
      ? `## ${scan.passed ? '✔' : '✘'} ${markdownText(scan.name)}: ${scan.passed ? 'passed' : 'failed'}`
      : `## ${markdownText(scan.name)}: what was found`,
    '',
    ...scan.reasons.filter((reason) => !bad.some((finding) => reason.includes(finding.title))).map((reason) => `- ${markdownText(reason)}`),
    ...findingTable('What makes it fail', bad),
    ...findingTable(judged ? 'New, and accepted or below the level' : 'New', fresh),
    ...(judged ? [] : findingTable('There before', known)),
    ...(rest > 0 ? [`${rest} more were there before.`, ''] : []),
    ...scan.notes.map((note) => `- ${markdownText(note)}`),
    '',
    `Looked at ${covered.files} files (${covered.bytes} bytes)${covered.components > 0 ? `, ${covered.components} components` : ''}${
      covered.rules === undefined ? '' : `, with ${covered.rules} rules`
    }${covered.databases.map((each) => `, ${each.advisories} advisories for ${markdownText(each.ecosystem)} of ${each.updatedAt.slice(0, 10)}`).join('')}; ${
      covered.skippedCount
    } skipped. ${
      judged ? `Fails on: ${scan.level}` : 'It is judged by nobody but who reads it'
    }${scan.comparedWith === undefined ? '' : `, compared with \`${markdownText(scan.comparedWith).slice(0, 32)}\``}.`,
    '',
  ];
  return lines.join('\n');
}

/** @param total how many there are, where the list was cut off */
export function findingTable(title: string, findings: readonly FindingView[], total = findings.length): string[] {
  if (findings.length === 0) return [];
  const rows = findings.slice(0, mostRows).map((finding) => {
    const state = finding.waiver ? ` (waived by ${markdownText(finding.waiver.owner)} until ${finding.waiver.expires})` : '';
    return `| ${finding.severity} | ${markdownText(finding.title)}${state} | ${finding.where.slice(0, 3).map(markdownText).join('<br>')} | ${markdownText(finding.fix)} |`;
  });
  const more = total > rows.length ? [`${total - rows.length} more are in the record.`, ''] : [];
  return ['', `### ${title}`, '', '| severity | what | where | what to do |', '| --- | --- | --- | --- |', ...rows, '', ...more];
}

/** Text of other people's making: it can neither make markup nor turn the direction of writing. */
export function markdownText(value: string): string {
  return value
    .replace(/[\u0000-\u001f\u007f\u202a-\u202e\u2066-\u2069]/g, ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(/[\\`*_{}[\]|!~]/g, (sign) => `\\${sign}`)
    .slice(0, 1_000);
}
