import { lookLines } from '../../api/look-text.ts';
import type { ImportView } from '../../api/import-views.ts';
import type { ScanView } from '../../api/scan-views.ts';
import { html, type Html } from './html.ts';
import { badge, code, command, empty, facts, section, when } from './parts.ts';
import { scansView } from './scans.ts';

const badges = { requested: 'waiting', approved: 'running', imported: 'passed', rejected: 'failed' } as const;

/** One third-party image: what was asked for, and what is known about exactly that digest, for whoever vouches for it. */
export function importPage(shown: { readonly view: ImportView; readonly signatures: string; readonly scan: ScanView | undefined }): Html {
  const { view, signatures, scan } = shown;
  const { id, state, look } = view;
  const isOpen = state === 'requested' || state === 'approved';
  return html`<p class="over">Import ${id}</p>
    <h1><bdi>${view.reference}</bdi></h1>
    <div id="summary" data-live ${isOpen && 'data-open=3000'}>
      ${facts([
        ['State', badge(badges[state], state)],
        ['Digest', html`<code>${view.digest}</code>`],
        ['As', html`<code>${view.repository}</code>`],
        ['For', html`<bdi>${view.reason}</bdi>`],
        ['Asked for', html`by ${view.requestedBy}, ${when(view.requestedAt)}`],
        ['Vouched for by', view.approvals.map(({ reviewer }) => reviewer).join(', ')],
        [
          'Copied',
          view.importedAt !== undefined && html`${when(view.importedAt)}: <a href="/images/${view.digest}">${code(view.digest)}</a>`,
        ],
        ['Note', view.why !== undefined && html`<bdi>${view.why}</bdi>`],
        ['Signatures of the upstream', html`<bdi>${signatures}</bdi>`],
      ])}
      ${
        state === 'requested' &&
        note(html`Somebody other than ${view.requestedBy} vouches for this digest, and no other: ${command(`waybill image approve ${id}`)}`)
      }
    </div>
    ${section('found', 'What is in it', html`${lines(look)} ${scan ? scansView([scan]) : again(id)}`, { live: true })}`;
}

/** Its blanks count. */
function note(text: Html): Html {
  return html`<p class="note">${text}</p>`;
}

function lines(look: ImportView['look']): Html {
  return html`${lookLines(look).map((line) =>
    look.state === 'failed' ? html`<p class="note bad"><bdi>${line}</bdi></p>` : html`<p><bdi>${line}</bdi></p>`,
  )}`;
}

function again(id: number): Html {
  return empty('It is looked into again by itself; at once: ', command(`waybill image look ${id}`));
}
