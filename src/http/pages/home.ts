import type { ChangeView, RepositoryView, RunRowView } from '../../api/views.ts';
import { html, type Html } from './html.ts';
import { badge, short } from './layout.ts';

export type HomeData = {
  readonly repositories: readonly RepositoryView[];
  readonly changes: readonly ChangeView[];
  readonly runs: readonly RunRowView[];
  readonly images: readonly { digest: string; repository: string; commit: string; run: number }[];
  readonly refusals: readonly { at: string; what: string; detail: string }[];
};

export function homePage(data: HomeData): Html {
  return html`<h1>Repositories</h1>
    ${table(
      ['name', 'protected branch', 'clone'],
      data.repositories.map((r) => [r.name, r.protectedBranch, html`<code>${r.cloneUrl}</code>`]),
    )}
    <h2>Changes</h2>
    ${table(
      ['id', 'title', 'repository', 'by', 'state', 'tests'],
      data.changes.map((c) => [
        html`<a href="/changes/${c.id}">${c.id}</a>`,
        c.title,
        c.repository,
        c.versions[0]?.pusher ?? '',
        badge(c.state),
        badge(c.runs[0]?.status ?? 'waiting'),
      ]),
    )}
    <h2>Runs</h2>
    ${table(
      ['run', 'repository', 'event', 'commit', 'status', 'created'],
      data.runs.map((r) => [
        html`<a href="/runs/${r.id}">${r.id}</a>`,
        r.repository,
        r.event,
        html`<code>${short(r.commit)}</code>`,
        badge(r.status),
        r.createdAt,
      ]),
    )}
    <h2>Images with papers</h2>
    ${table(
      ['digest', 'repository', 'commit', 'run'],
      data.images.map((i) => [
        html`<a href="/images/${i.digest}"><code>${short(i.digest)}</code></a>`,
        i.repository,
        html`<code>${short(i.commit)}</code>`,
        html`<a href="/runs/${i.run}">${i.run}</a>`,
      ]),
    )}
    <h2>Refused</h2>
    ${table(
      ['when', 'what', 'why'],
      data.refusals.map((r) => [r.at, r.what, r.detail]),
    )}`;
}

export function table(header: readonly string[], rows: readonly (readonly (Html | string | number)[])[]): Html {
  if (rows.length === 0) return html`<p class="soft">None yet.</p>`;
  return html`<table>
    <tr>
      ${header.map((title) => html`<th>${title}</th>`)}
    </tr>
    ${rows.map(
      (row) =>
        html`<tr>
          ${row.map((cell) => html`<td>${cell}</td>`)}
        </tr>`,
    )}
  </table>`;
}
