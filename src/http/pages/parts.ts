import { html, type Html, type Value } from './html.ts';

/** Sign and word: what a state is must not hang on its colour alone. */
const signs: Readonly<Record<string, string>> = {
  passed: '✔',
  reused: '↺',
  failed: '✘',
  running: '▶',
  waiting: '·',
  skipped: '–',
  cancelled: '⊘',
  interrupted: '!',
  open: '○',
  merged: '●',
  abandoned: '⊘',
  void: '–',
};

/** @param word what is read, where it is another than the state's own */
export function badge(state: string, word = state): Html {
  return html`<span class="badge ${state}"><span aria-hidden="true">${signs[state] ?? '?'}</span> ${word}</span>`;
}

/** A moment, in UTC, to the second. */
export function when(at: string | undefined): Html | undefined {
  return at === undefined ? undefined : html`<time datetime="${at}">${at.slice(0, 19).replace('T', ' ')}</time>`;
}

/** `0.4 s`, `12 s`, `3 min 5 s`; what still goes on is counted up to `now`. */
export function took(from: string | undefined, to: string | undefined, now?: Date): string {
  if (from === undefined) return '';
  const end = to === undefined ? now?.getTime() : Date.parse(to);
  if (end === undefined) return '';
  const ms = Math.max(0, end - Date.parse(from));
  if (ms < 59_500) return `${(ms / 1000).toFixed(to === undefined ? 0 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

export function short(oid: string): string {
  return oid.replace(/^sha256:/, '').slice(0, 12);
}

/** A digest or an object name, shortened; the whole of it is in the tooltip. */
export function code(oid: string): Html {
  return html`<code title="${oid}">${short(oid)}</code>`;
}

/** A command that can be selected with one click. */
export function command(text: string): Html {
  return html`<code class="command">${text}</code>`;
}

/** What stands where there is nothing yet: why, and what to do next. */
export function empty(...text: readonly Value[]): Html {
  return html`<p class="empty">${text}</p>`;
}

/** Names and values; a value that is missing takes its name with it. */
export function facts(rows: readonly (readonly [string, Value])[]): Html {
  return html`<dl class="facts">
    ${rows
      .filter(([, value]) => value !== undefined && value !== false && value !== '')
      .map(
        ([name, value]) =>
          html`<div>
            <dt>${name}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
  </dl>`;
}

/** The first column names the row. Roles are spelled out because narrow screens lay the cells out as blocks, which makes browsers forget them. */
export function table(caption: string, header: readonly string[], rows: readonly (readonly Value[])[]): Html {
  return html`<table role="table">
    <caption class="unseen">
      ${caption}
    </caption>
    <thead role="rowgroup">
      <tr role="row">
        ${header.map((title) => html`<th role="columnheader" scope="col">${title}</th>`)}
      </tr>
    </thead>
    <tbody role="rowgroup">
      ${rows.map(
        (row) =>
          html`<tr role="row">
            ${row.map((value, column) =>
              column === 0
                ? html`<th role="rowheader" scope="row" data-label="${header[column]}">${value}</th>`
                : html`<td role="cell" data-label="${header[column]}">${value}</td>`,
            )}
          </tr>`,
      )}
    </tbody>
  </table>`;
}

/** A part of a page with a heading; `live` parts are replaced while a run goes on. */
export function section(id: string, title: Value, body: Value, options: { live?: boolean } = {}): Html {
  return html`<section id="${id}" aria-labelledby="${id}-title" ${options.live && 'data-live'}>
    <h2 id="${id}-title">${title}</h2>
    ${body}
  </section>`;
}
