import { lookCell } from '../../api/look-text.ts';
import type { RepositoryView } from '../../api/administration-views.ts';
import type { ChangeView } from '../../api/change-views.ts';
import type { ImportView } from '../../api/import-views.ts';
import type { RunRowView } from '../../api/run-views.ts';
import type { NewlyVulnerableView } from '../../api/where-views.ts';
import { html, type Html } from './html.ts';
import { whyOf } from './run-parts.ts';
import { badge, code, command, empty, section, table, when } from './parts.ts';

export type ReleaseRow = {
  readonly environment: string;
  readonly where: string;
  /** What runs there; an environment may be empty. */
  readonly release?: {
    readonly repository: string;
    readonly commit: string;
    readonly run: number;
    readonly digests: readonly string[];
    readonly at: string;
  };
};

export type HomeData = {
  readonly repositories: readonly RepositoryView[];
  readonly changes: readonly ChangeView[];
  readonly runs: readonly RunRowView[];
  readonly images: readonly ({ digest: string; repository: string } & (
    | { imported?: never; commit: string; run: number }
    | { imported: { number: number; reference: string } }
  ))[];
  /** That wait for people. */
  readonly imports: readonly ImportView[];
  readonly environments: readonly ReleaseRow[];
  readonly refusals: readonly { at: string; what: string; detail: string }[];
  readonly news: readonly NewlyVulnerableView[];
};

/** Everything at a glance: what is proposed, what runs, what exists, what was refused. */
export function homePage(data: HomeData): Html {
  return html`<h1 class="unseen" data-open="5000">Overview</h1>
    ${section('changes', 'Changes', changes(data.changes), { live: true })} ${section('runs', 'Runs', runs(data.runs), { live: true })}
    ${section('images', 'Images with papers', images(data.images), { live: true })}
    ${section('imports', 'Third-party images that wait', imports(data.imports), { live: true })}
    ${section('environments', 'Environments', environments(data.environments), { live: true })}
    ${section('vulnerable', 'Newly vulnerable', vulnerable(data.news), { live: true })}
    ${section('refusals', 'Refused', refusals(data.refusals), { live: true })}
    ${section('repositories', 'Repositories', repositories(data.repositories), { live: true })}`;
}

function changes(all: HomeData['changes']): Html {
  if (all.length === 0) return empty('No change was proposed yet. In a clone: ', command('git push origin HEAD:refs/for/main'));
  return table(
    'Changes, newest first',
    ['Change', 'Title', 'Repository', 'By', 'State', 'Approvals', 'Tests'],
    all.map((change) => {
      const approvals = change.reviews.filter((review) => review.current && review.verdict === 'approve').length;
      const tests = change.runs[0];
      return [
        html`<a href="/changes/${change.id}">Change ${change.id}</a>`,
        html`<bdi>${change.title}</bdi>`,
        change.repository,
        change.versions[0]?.pusher,
        badge(change.state),
        approvals > 0 && approvals,
        tests ? html`<a href="/runs/${tests.id}" aria-label="run ${tests.id}, ${tests.status}">${badge(tests.status)}</a>` : '',
      ];
    }),
  );
}

function runs(all: HomeData['runs']): Html {
  if (all.length === 0) return empty('Nothing ran yet. A change, or the first push to the protected branch, starts a run.');
  return table(
    'Runs, newest first',
    ['Run', 'Repository', 'Why', 'Commit', 'Status', 'Created'],
    all.map((run) => [
      html`<a href="/runs/${run.id}">Run ${run.id}</a>`,
      run.repository,
      run.change
        ? html`${run.event === 'merge' ? 'merge of ' : ''}<a href="/changes/${run.change.id}">change ${run.change.id}</a>${
              run.event === 'change' && `, version ${run.change.version}`
            }`
        : whyOf(run.event),
      code(run.commit),
      badge(run.status),
      when(run.createdAt),
    ]),
  );
}

function images(all: HomeData['images']): Html {
  if (all.length === 0) return empty('No image yet: a merged change whose ', command('waybill.yaml'), ' has images builds the first.');
  return table(
    'Images with papers, newest first',
    ['Image', 'Repository', 'From', 'By'],
    all.map((image) => [
      html`<a href="/images/${image.digest}">${code(image.digest)}</a>`,
      image.repository,
      image.imported ? image.imported.reference : code(image.commit),
      image.imported
        ? html`<a href="/imports/${image.imported.number}">Import ${image.imported.number}</a>`
        : html`<a href="/runs/${image.run}">Run ${image.run}</a>`,
    ]),
  );
}

function imports(all: HomeData['imports']): Html {
  if (all.length === 0)
    return empty('Nobody waits for an image of others. To ask for one: ', command('waybill image import REFERENCE --reason …'));
  return table(
    'Third-party images that were asked for and are not here, newest first',
    ['Import', 'Reference', 'By', 'Approved by', 'Found in it'],
    all.map((each) => [
      html`<a href="/imports/${each.id}">Import ${each.id}</a>`,
      html`<bdi>${each.reference}</bdi>`,
      each.requestedBy,
      each.approvals.map(({ reviewer }) => reviewer).join(', '),
      lookCell(each.look),
    ]),
  );
}

function environments(all: HomeData['environments']): Html {
  if (all.length === 0)
    return empty('Nothing can be deployed yet. An administrator says where to: ', command('waybill environment add NAME'));
  return table(
    'Environments and what runs in each',
    ['Environment', 'Where', 'Repository', 'Commit', 'Image', 'Run', 'Since'],
    all.map(({ environment, where, release }) => [
      environment,
      where,
      release ? release.repository : html`<span class="soft">nothing yet</span>`,
      release && code(release.commit),
      release?.digests.map((digest) => html`<a href="/images/${digest}">${code(digest)}</a> `),
      release && html`<a href="/runs/${release.run}">Run ${release.run}</a>`,
      when(release?.at),
    ]),
  );
}

function vulnerable(all: HomeData['news']): Html {
  if (all.length === 0)
    return empty('No image became vulnerable in the last thirty days. What is in which: ', command('waybill where PACKAGE'));
  return table(
    'What became vulnerable in the last thirty days, newest first',
    ['Advisory', 'Severity', 'In', 'Fixed in', 'Images', 'Released to', 'Since'],
    all.map(({ advisory, severity, title, components, images, imageCount, firstSeen }) => [
      html`<bdi title="${title}">${advisory}</bdi>`,
      severity,
      html`<bdi
        >${components
          .slice(0, 3)
          .map(({ purl }) => purl)
          .join(', ')}${components.length > 3 && ', …'}</bdi
      >`,
      html`<bdi>${[...new Set(components.flatMap(({ fixed }) => fixed))].slice(0, 4).join(', ')}</bdi>`,
      html`${images.slice(0, 3).map(({ digest }) => html`<a href="/images/${digest}">${code(digest)}</a> `)}${
        imageCount > 3 && html`and ${imageCount - 3} more`
      }`,
      [...new Set(images.flatMap(({ environments }) => environments))].join(', '),
      when(firstSeen),
    ]),
  );
}

function refusals(all: HomeData['refusals']): Html {
  if (all.length === 0) return empty('Nothing was refused.');
  return table(
    'Refusals, newest first',
    ['What', 'Why', 'When'],
    all.map((refusal) => [html`<bdi>${refusal.what}</bdi>`, html`<bdi>${refusal.detail}</bdi>`, when(refusal.at)]),
  );
}

function repositories(all: HomeData['repositories']): Html {
  if (all.length === 0) return empty('No repository yet. An administrator adds one: ', command('waybill repo add NAME'));
  return table(
    'Repositories',
    ['Repository', 'Protected branch', 'Clone'],
    all.map((repository) => [repository.name, repository.protectedBranch, command(`git clone ${repository.cloneUrl}`)]),
  );
}
