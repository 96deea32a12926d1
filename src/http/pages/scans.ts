import type { FindingView, ScanView } from '../../api/scan-views.ts';
import { html, type Html, type Value } from './html.ts';
import { badge, code, empty, table } from './parts.ts';

const shownAtMost = 100;

/** What the scans of a run found, worst first; what they looked at stands below each, since "nothing found" is worth no more than that. */
export function scansView(scans: readonly ScanView[]): Html {
  if (scans.length === 0) return empty('Nothing was scanned yet.');
  return html`${scans.map(scanView)}`;
}

function scanView(scan: ScanView): Html {
  const { findings, covered } = scan;
  const bad = findings.filter((finding) => finding.fails);
  const rest = findings.filter((finding) => !finding.fails);
  // Nothing makes it fail: "passed" would say more than is known.
  const judged = scan.level !== 'report' || !scan.passed;
  return html`<div class="scan">
    <h3>${scan.name} ${judged ? badge(scan.passed ? 'passed' : 'failed') : undefined}</h3>
    ${scan.reasons.filter((reason) => !bad.some((finding) => reason.includes(finding.title))).map((reason) => html`<p class="note bad">${reason}</p>`)}
    ${bad.length > 0 && findingTable(`What makes the scan of ${scan.name} fail`, bad)}
    ${
      rest.length > 0 &&
      html`<details ${bad.length === 0 && rest.some((finding) => finding.isNew) && 'open'}>
        <summary>${rest.length} ${judged ? 'that do not: known before, waived, or below the level' : 'found; they fail nothing'}</summary>
        ${findingTable(`Other findings of ${scan.name}`, rest)}
      </details>`
    }
    ${scan.notes.map((note) => html`<p class="note">${note}</p>`)}
    <p class="soft">
      Looked at ${covered.files} files (${(covered.bytes / 1e6).toFixed(1)}
      MB)${covered.components > 0 && html`, ${covered.components} components`}${
        covered.rules !== undefined && html`, with ${covered.rules} rules`
      }${covered.databases.map((each) => html`, ${each.advisories} advisories for ${each.ecosystem} of ${each.updatedAt.slice(0, 10)}`)}.
      Skipped: ${covered.skippedCount}. ${judged && `Fails on: ${scan.level}.`} Record ${code(scan.record)}.
    </p>
  </div>`;
}

export function findingTable(caption: string, findings: readonly FindingView[]): Html {
  return html`${table(
    caption,
    ['Severity', 'What', 'Where', 'What to do'],
    findings.slice(0, shownAtMost).map((finding) => [severity(finding), what(finding), where(finding), finding.fix]),
  )}
  ${findings.length > shownAtMost && html`<p class="soft">${findings.length - shownAtMost} more are in the record.</p>`}`;
}

function severity(finding: FindingView): Value {
  const state = finding.severity === 'critical' || finding.severity === 'high' || finding.severity === 'unknown' ? 'failed' : 'interrupted';
  return html`<span class="badge ${finding.fails ? state : 'void'}">${finding.severity}</span>`;
}

function what(finding: FindingView): Html {
  return html`<bdi>${finding.title}</bdi>${finding.isNew && html` <span class="soft">new</span>`}${
      finding.waiver &&
      html`<br /><span class="soft">waived by ${finding.waiver.owner} until ${finding.waiver.expires}: ${finding.waiver.reason}</span>`
    }${finding.notAffected !== undefined && html`<br /><span class="soft">not affected: ${finding.notAffected}</span>`}`;
}

function where(finding: FindingView): Html {
  const [path] = finding.paths ?? [];
  return html`${finding.where.slice(0, 5).map((place) => html`<code>${place}</code> `)}${
    path && path.length > 1 && html`<br /><span class="soft">by ${path.join(' → ')}</span>`
  }`;
}
