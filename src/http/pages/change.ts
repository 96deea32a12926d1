import type { SinceReleaseView } from '../../api/since-views.ts';
import type { ChangeView } from '../../api/change-views.ts';
import type { ScanView } from '../../api/scan-views.ts';
import { html, type Html } from './html.ts';
import { scansView } from './scans.ts';
import { sinceView } from './since.ts';
import { badge, code, command, empty, facts, section, table, when } from './parts.ts';

/** One change: where it stands, what was pushed, and who said what about which version. */
export function changePage(
  view: ChangeView,
  { scans, since, now }: { readonly scans: readonly ScanView[]; readonly since: readonly SinceReleaseView[]; readonly now: Date },
): Html {
  const newest = Math.max(0, ...view.versions.map((version) => version.version));
  return html`<p class="over">Change ${view.id} ${badge(view.state)}</p>
    <h1><bdi>${view.title}</bdi></h1>
    <div id="summary" data-live ${moves(view) && 'data-open=3000'}>
      ${facts([
        ['Repository', view.repository],
        ['Into', view.branch],
        ['By', [...new Set(view.versions.map((version) => version.pusher))].join(', ')],
        [
          'Merged',
          view.merge &&
            html`${when(view.merge.mergedAt)} by ${view.merge.mergedBy}, as ${code(view.merge.commit)}
            (${view.merge.method === 'identical' ? 'exactly the reviewed tree' : 'mechanical merge: the branch had moved'})`,
        ],
      ])}
      ${next(view, newest)}
    </div>
    ${scans.length > 0 && section('scans', 'What the scans say of the newest version', scansView(scans), { live: true })}
    ${since.length > 0 && section('since', 'What the newest version brings to each environment', sinceView(since, now), { live: true })}
    ${section('reviews', 'Reviews', reviews(view), { live: true })}
    ${section('versions', 'Versions', versions(view, newest), { live: true })} ${section('change-runs', 'Runs', runs(view), { live: true })}`;
}

/** Tests, reviews and the merge come while somebody looks. */
function moves(view: ChangeView): boolean {
  return view.state === 'open' || view.runs.some((run) => run.status === 'waiting' || run.status === 'running');
}

/** What has to happen next, by whom, and with which command. */
function next(view: ChangeView, newest: number): Html | undefined {
  if (view.state !== 'open') return undefined;
  const current = view.reviews.filter((review) => review.current);
  const rejected = current.find((review) => review.verdict === 'reject');
  const run = view.runs.find((each) => each.version === newest && each.event === 'change');
  if (run?.status === 'failed')
    return note(html`The tests of this version failed: <a href="/runs/${run.id}">run ${run.id}</a>. Push a better one.`);
  if (rejected)
    return note(
      html`Rejected by ${rejected.reviewer}. Push a better version, or give it up: ${command(`waybill change abandon ${view.id}`)}`,
    );
  if (!current.some((review) => review.verdict === 'approve')) {
    const lost = view.reviews.length > 0 && 'A newer version was pushed, so earlier approvals are void. ';
    return note(html`${lost}Waiting for a reviewer who had no hand in it: ${command(`waybill change approve ${view.id}`)}`);
  }
  return note(html`Approved. When its tests have passed: ${command(`waybill change merge ${view.id}`)}`);
}

function note(text: Html): Html {
  return html`<p class="note">${text}</p>`;
}

function reviews(view: ChangeView): Html {
  if (view.reviews.length === 0) return empty('Nobody has reviewed it yet.');
  return table(
    'Reviews',
    ['Reviewer', 'Verdict', 'Of', 'Counts', 'Comment', 'When'],
    view.reviews.map((review) => [
      review.reviewer,
      verdict(review),
      `version ${review.version}`,
      review.current ? 'yes' : 'no: a newer version was pushed',
      review.comment !== '' && html`<bdi>${review.comment}</bdi>`,
      when(review.at),
    ]),
  );
}

function verdict({ verdict: said, current }: ChangeView['reviews'][number]): Html {
  const word = said === 'approve' ? 'approved' : 'rejected';
  if (!current) return badge('void', `${word}, void`);
  return badge(said === 'approve' ? 'passed' : 'failed', word);
}

function versions(view: ChangeView, newest: number): Html {
  return table(
    'Versions, newest first',
    ['Version', 'Head', 'Base', 'Tree', 'Pushed by', 'When'],
    view.versions
      .toSorted((a, b) => b.version - a.version)
      .map((version) => [
        html`${version.version}${version.version === newest && view.versions.length > 1 && ' (newest)'}`,
        code(version.head),
        code(version.base),
        code(version.tree),
        version.pusher,
        when(version.pushedAt),
      ]),
  );
}

function runs(view: ChangeView): Html {
  if (view.runs.length === 0) return empty('None yet.');
  return table(
    'Runs, newest first',
    ['Run', 'Why', 'Status'],
    view.runs.map((run) => [
      html`<a href="/runs/${run.id}">Run ${run.id}</a>`,
      run.event === 'merge' ? 'the merge' : `version ${run.version}`,
      badge(run.status),
    ]),
  );
}
