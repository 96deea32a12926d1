import type { SinceReleaseView } from '../../api/since-views.ts';
import type { RunView } from '../../api/run-views.ts';
import type { ScanView } from '../../api/scan-views.ts';
import { html, type Html } from './html.ts';
import { jobList } from './job-list.ts';
import { logView, type LogTail } from './log.ts';
import { paperTitle } from './paper.ts';
import { badge, code, empty, facts, section, table, took, when } from './parts.ts';
import { scansView } from './scans.ts';
import { sinceView } from './since.ts';
import { isOver, parts, whyOf, type Part } from './run-parts.ts';

export type RunPage = {
  readonly view: RunView;
  readonly scans: readonly ScanView[];
  readonly since: readonly SinceReleaseView[];
  readonly logs: readonly string[];
  /** The log that is shown, if anything was written yet. */
  readonly log?: LogTail;
  /** Somebody asked for this log by name; otherwise the page goes with the run. */
  readonly picked: boolean;
  readonly now: Date;
};

/** One run: the way as a row of boxes, jobs and steps beside the live log, the papers last. */
export function runPage({ view, scans, since, logs, log, picked, now }: RunPage): Html {
  const all = parts(view);
  const over = isOver(view.status);
  return html`<div id="summary" data-live ${!over && 'data-open=1500'}>
      <h1>Run ${view.id} ${badge(view.status)}</h1>
      ${summary(view, now)} ${view.reason !== undefined && html`<p class="note bad">${view.reason}</p>`}
      ${view.notes.map((note) => html`<p class="note">${note}</p>`)}
    </div>
    <p id="said" role="status" class="unseen"></p>
    ${section('way-section', 'The way', way(all, now), { live: true })}
    <div class="work">
      <nav id="jobs" data-live aria-labelledby="jobs-title">
        <h2 id="jobs-title">Jobs and steps</h2>
        ${jobList(all, { logs, shown: log?.name, now })}
      </nav>
      ${section('log-section', html`Log ${log && html`<span class="soft">of ${log.name}</span>`}`, logView(view.id, log, { over, picked }))}
    </div>
    ${since.length > 0 && section('since', 'What is new in each environment', sinceView(since, now), { live: true })}
    ${(scans.length > 0 || view.scans.length > 0) && section('scans', 'Scans', scansView(scans), { live: true })}
    ${section('papers', 'Papers', papers(view), { live: true })}`;
}

function summary(view: RunView, now: Date): Html {
  const { change } = view;
  return facts([
    ['Repository', view.repository],
    [
      'Why',
      change
        ? html`${view.event === 'merge' ? 'merge of ' : ''}<a href="/changes/${change.id}">change ${change.id}</a>, version
            ${change.version}`
        : whyOf(view.event),
    ],
    ['Commit', code(view.commit)],
    ['Reviewed', view.reviewed ? 'yes' : 'no: tested only'],
    ['Asked for by', view.requestedBy],
    ['In place of', view.replaces !== undefined && html`<a href="/runs/${view.replaces}">run ${view.replaces}</a>, which was interrupted`],
    ['Created', when(view.createdAt)],
    [
      'Bases',
      (view.bases ?? []).length > 0 &&
        html`${(view.bases ?? []).map(({ reference, digest }) => html`<div>${reference.split('@')[0]} is ${code(digest)}</div>`)}`,
    ],
    ['Took', took(view.createdAt, view.finishedAt, isOver(view.status) ? undefined : now)],
  ]);
}

function way(all: readonly Part[], now: Date): Html {
  const failures = all.filter((part) => part.reason !== undefined && part.status === 'failed');
  return html`<ol class="way">
      ${all.map(
        (part) =>
          html`<li class="part ${part.status}">
            <b>${part.kind !== 'stage' && html`<span class="soft">${part.kind}</span> `}${part.name}</b> ${badge(part.status)}
            <small>${took(part.startedAt, part.finishedAt, part.status === 'running' ? now : undefined)}</small>
            <small>${more(part)}</small>
          </li>`,
      )}
    </ol>
    ${failures.map((part) => html`<p class="note bad"><b>${part.name}</b>: ${part.reason}</p>`)}`;
}

function more(part: Part): Html | string {
  if (part.reason !== undefined && part.status !== 'failed') return part.reason;
  if (part.executedIn !== undefined) return html`in <a href="/runs/${part.executedIn}">run ${part.executedIn}</a>, on the same tree`;
  if (part.digest !== undefined) return html`<a href="/images/${part.digest}">${code(part.digest)}</a>`;
  if (part.endpoints.length > 0)
    return html`${part.endpoints.map((endpoint) =>
      /^https?:\/\//.test(endpoint)
        ? html`<a href="${endpoint}" rel="noreferrer"><code>${endpoint}</code></a> `
        : html`<code>${endpoint}</code> `,
    )}`;
  return part.kind === 'stage' ? `${part.jobs.length} job${part.jobs.length === 1 ? '' : 's'}` : '';
}

function papers(view: RunView): Html {
  if (view.papers.length === 0) {
    return empty(
      view.reviewed ? 'None yet: a stage that passes leaves the first.' : 'None: only what was reviewed and merged gets papers.',
    );
  }
  return table(
    'Papers, in the order of signing',
    ['Paper', 'Type', 'About', 'Ledger', 'Signed'],
    view.papers.map((paper) => [
      paperTitle(paper.predicateType),
      html`<code class="soft">${paper.predicateType}</code>`,
      paper.subject.startsWith('sha256:') ? html`<a href="/images/${paper.subject}">${code(paper.subject)}</a>` : code(paper.subject),
      paper.ledgerIndex,
      when(paper.at),
    ]),
  );
}
