import type { RunView } from '../../api/views.ts';
import { html, type Html } from './html.ts';
import { table } from './home.ts';
import { badge, short, took } from './layout.ts';

type Part = {
  name: string;
  status: string;
  startedAt?: string | undefined;
  finishedAt?: string | undefined;
  reason?: string | undefined;
  more?: string;
};

/** One run: the way as a row of boxes, the chosen log live below, the papers last. */
export function runPage(view: RunView, logs: readonly (readonly string[])[], chosen: readonly string[] | undefined): Html {
  const parts: Part[] = [
    ...view.stages.map((s) => ({
      ...s,
      more: s.executedIn ? `from run ${s.executedIn}` : `${s.jobs.length} job${s.jobs.length === 1 ? '' : 's'}`,
    })),
    ...view.images.map((i) => ({ ...i, name: `image ${i.name}`, more: i.digest ? short(i.digest) : '' })),
    ...view.deploys.map((d) => ({ ...d, name: `deploy ${d.environment}`, more: d.endpoints?.join(' ') ?? '' })),
  ];
  return html`<h1>Run ${view.id} ${badge(view.status)}</h1>
    <p class="soft">
      ${view.repository} · ${view.event} · <code>${short(view.commit)}</code> ·
      ${view.change && html`<a href="/changes/${view.change.id}">change ${view.change.id}</a>, version ${view.change.version} ·`} by
      ${view.requestedBy} · ${view.createdAt} ${took(view.createdAt, view.finishedAt)}
    </p>
    ${view.reason && html`<p class="note">${view.reason}</p>`} ${view.notes.map((note) => html`<p class="note">${note}</p>`)}
    <div class="way">
      ${parts.map(
        (part, index) =>
          html`${index > 0 && html`<span class="arrow">→</span>`}
            <div class="part ${part.status}">
              <b>${part.name}</b>${badge(part.status)} <small>${took(part.startedAt, part.finishedAt)} ${part.more ?? ''}</small>
            </div>`,
      )}
    </div>
    ${parts.filter((p) => p.reason && p.status !== 'passed').map((p) => html`<p class="note"><b>${p.name}</b>: ${p.reason ?? ''}</p>`)}
    <h2>Log</h2>
    <p class="tabs">
      ${logs.map((name) => {
        const id = name.join('/');
        const current = chosen?.join('/') === id;
        return html`<a href="?log=${encodeURIComponent(id)}" ${current && 'aria-current=page'}>${id}</a>`;
      })}
    </p>
    ${chosen ? html`<pre class="log" id="log" data-run="${view.id}" data-name="${chosen.join('/')}"></pre>` : html`<p class="soft">Nothing was run yet.</p>`}
    <h2>Papers</h2>
    ${table(
      ['predicate type', 'about', 'ledger', 'signed'],
      view.papers.map((p) => [
        p.predicateType,
        p.subject.startsWith('sha256:')
          ? html`<a href="/images/${p.subject}"><code>${short(p.subject)}</code></a>`
          : html`<code>${short(p.subject)}</code>`,
        p.ledgerIndex,
        p.at,
      ]),
    )}`;
}

/** Follows the log, and reloads once when the run's status has changed at its end. */
export const runScript = `
const pre = document.getElementById('log');
if (pre) {
  const source = new EventSource('/api/v1/runs/' + pre.dataset.run + '/log?follow=1&name=' + encodeURIComponent(pre.dataset.name));
  source.onmessage = (event) => {
    const line = JSON.parse(event.data);
    const bottom = pre.scrollTop + pre.clientHeight > pre.scrollHeight - 40;
    const span = document.createElement('span');
    if (line.stream !== 'stdout') span.className = line.stream === 'stderr' ? 'e' : 'w';
    span.textContent = line.text + '\\n';
    pre.append(span);
    if (bottom) pre.scrollTop = pre.scrollHeight;
  };
  source.addEventListener('end', () => source.close());
}
if (document.querySelector('.part.running, .part.waiting')) setTimeout(() => location.reload(), 4000);
`;
