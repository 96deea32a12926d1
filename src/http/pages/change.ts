import type { ChangeView } from '../../api/views.ts';
import { html, type Html } from './html.ts';
import { table } from './home.ts';
import { badge, short } from './layout.ts';

export function changePage(view: ChangeView): Html {
  return html`<h1>Change ${view.id}: ${view.title} ${badge(view.state)}</h1>
    <p class="soft">
      ${view.repository} → ${view.branch}
      ${view.merge && html`· merged by ${view.merge.mergedBy} as <code>${short(view.merge.commit)}</code> (${view.merge.method})`}
    </p>
    <h2>Versions</h2>
    ${table(
      ['version', 'head', 'tree', 'pushed by', 'when', 'run'],
      view.versions.map((v) => [
        v.version,
        html`<code>${short(v.head)}</code>`,
        html`<code>${short(v.tree)}</code>`,
        v.pusher,
        v.pushedAt,
        html`${view.runs.filter((r) => r.version === v.version).map((r) => html`<a href="/runs/${r.id}">${r.event} ${r.id}</a> ${badge(r.status)} `)}`,
      ]),
    )}
    <h2>Reviews</h2>
    ${table(
      ['reviewer', 'verdict', 'version', 'counts', 'comment', 'when'],
      view.reviews.map((r) => [
        r.reviewer,
        badge(r.verdict === 'approve' ? 'passed' : 'failed'),
        r.version,
        r.current ? 'yes' : 'void: a newer version was pushed',
        r.comment,
        r.at,
      ]),
    )}`;
}
