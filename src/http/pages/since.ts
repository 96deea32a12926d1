import { sinceCounts, sinceTitle } from '../../api/since-report.ts';
import type { SincePartView, SinceReleaseView } from '../../api/since-views.ts';
import { html, type Html } from './html.ts';
import { badge, code } from './parts.ts';
import { findingTable } from './scans.ts';

/** What a run brings to each environment since its last release: what is new first, what is gone and what became known behind it. */
export function sinceView(since: readonly SinceReleaseView[], now: Date): Html {
  return html`${since.map((each) => environmentView(each, now))}`;
}

function environmentView(since: SinceReleaseView, now: Date): Html {
  const { levels, passed, reasons, found, parts, removed, release } = since;
  const fresh = parts.flatMap((part) => part.fresh);
  return html`<div class="scan">
    <h3>${sinceTitle(since, now)} ${levels.length > 0 && badge(passed ? 'passed' : 'failed')}</h3>
    <p>${sinceCounts(found)}${removed.length > 0 && html`; no part of it any more: ${removed.join(', ')}`}</p>
    ${reasons.filter((reason) => !fresh.some(({ title }) => reason.includes(title))).map((reason) => html`<p class="note bad">${reason}</p>`)}
    ${parts.map(partView)}
    <p class="soft">
      ${release && html`Compared with <a href="/runs/${release.run}">run ${release.run}</a>. `}${
        levels.length > 0 ? html`Fails on: ${levels.join(', and on ')}. ` : ''
      }Comparison
      ${code(since.comparison)}.
    </p>
  </div>`;
}

function partView(part: SincePartView): Html {
  const { name, fresh, gone, learned, found, notes, databases, was } = part;
  return html`${
      found.fresh > 0 &&
      html`<h4>${name}: ${found.fresh} new</h4>
        ${findingTable(`New in ${name}`, fresh)}`
    }
    ${folded(`${name}: ${found.learned} in both that became known since then`, `Became known since the release: ${name}`, learned)}
    ${folded(`${name}: ${found.gone} gone`, `Gone from ${name}`, gone)} ${notes.map((note) => html`<p class="note">${name}: ${note}</p>`)}
    <p class="soft">
      ${name}: ${found.kept} in
      both.${
        was !== undefined &&
        databases.length > 0 &&
        html` Both looked up in the same advisories:
        ${databases.map(({ ecosystem, updatedAt }) => `${ecosystem} of ${updatedAt.slice(0, 10)}`).join(', ')}.`
      }
    </p>`;
}

function folded(summary: string, caption: string, findings: SincePartView['fresh']): Html | false {
  if (findings.length === 0) return false;
  return html`<details>
    <summary>${summary}</summary>
    ${findingTable(caption, findings)}
  </details>`;
}
