import type { FindingView, ScanView } from './views.ts';

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
      ? `## ${scan.passed ? '✔' : '✘'} ${text(scan.name)}: ${scan.passed ? 'passed' : 'failed'}`
      : `## ${text(scan.name)}: what was found`,
    '',
    ...scan.reasons.filter((reason) => !bad.some((finding) => reason.includes(finding.title))).map((reason) => `- ${text(reason)}`),
    ...tableOf('What makes it fail', bad),
    ...tableOf(judged ? 'New, and accepted or below the level' : 'New', fresh),
    ...(judged ? [] : tableOf('There before', known)),
    ...(rest > 0 ? [`${rest} more were there before.`, ''] : []),
    ...scan.notes.map((note) => `- ${text(note)}`),
    '',
    `Looked at ${covered.files} files (${covered.bytes} bytes)${covered.components > 0 ? `, ${covered.components} components` : ''}${
      covered.rules === undefined ? '' : `, with ${covered.rules} rules`
    }${covered.databases.map((each) => `, ${each.advisories} advisories for ${text(each.ecosystem)} of ${each.updatedAt.slice(0, 10)}`).join('')}; ${
      covered.skippedCount
    } skipped. ${
      judged ? `Fails on: ${scan.level}` : 'It is judged by nobody but who reads it'
    }${scan.comparedWith === undefined ? '' : `, compared with \`${text(scan.comparedWith).slice(0, 32)}\``}.`,
    '',
  ];
  return lines.join('\n');
}

function tableOf(title: string, findings: readonly FindingView[]): string[] {
  if (findings.length === 0) return [];
  const rows = findings.slice(0, mostRows).map((finding) => {
    const state = finding.waiver ? ` (waived by ${text(finding.waiver.owner)} until ${finding.waiver.expires})` : '';
    return `| ${finding.severity} | ${text(finding.title)}${state} | ${finding.where.slice(0, 3).map(text).join('<br>')} | ${text(finding.fix)} |`;
  });
  const more = findings.length > rows.length ? [`${findings.length - rows.length} more are in the record.`, ''] : [];
  return ['', `### ${title}`, '', '| severity | what | where | what to do |', '| --- | --- | --- | --- |', ...rows, '', ...more];
}

function text(value: string): string {
  return value
    .replace(/[\u0000-\u001f\u007f\u202a-\u202e\u2066-\u2069]/g, ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(/[\\`*_{}[\]|!~]/g, (sign) => `\\${sign}`)
    .slice(0, 1_000);
}
