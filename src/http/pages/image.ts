import { html, type Html } from './html.ts';
import { paperFacts, paperTitle } from './paper.ts';
import { badge, code, command, facts, section, when } from './parts.ts';

export type Paper = { readonly predicateType: string; readonly statement: unknown; readonly ledgerIndex: number };

/** What the signed snapshot says of an image: all that the gate looks at. */
export type Vouched = Built | Imported;

type Imported = {
  readonly repository: string;
  readonly imported: {
    readonly number: number;
    readonly reference: string;
    readonly requestedBy: string;
    readonly approvals: readonly string[];
  };
  readonly validUntil: string;
};

type Built = {
  readonly imported?: never;
  readonly repository: string;
  readonly source: { readonly repository: string; readonly commit: string; readonly tree: string };
  readonly review?: { readonly change: number; readonly method: string; readonly approvals: readonly string[] };
  readonly tests: readonly { readonly stage: string; readonly passed: boolean }[];
  readonly scans?: { readonly vulnerabilities?: { readonly at: string; readonly worst?: string; readonly databaseAt?: string } };
  readonly run: number;
  readonly validUntil: string;
};

export type ImagePage = {
  readonly digest: string;
  /** `host:port/repository@digest`, where the repository is known. */
  readonly reference?: string;
  readonly vouched?: Vouched;
  readonly revoked?: string;
  readonly papers: readonly Paper[];
};

/** One image: where it comes from in a few lines, then each paper as facts, with what was signed folded away. */
export function imagePage({ digest, reference, vouched, revoked, papers }: ImagePage): Html {
  return html`<p class="over">Image ${vouched && badge('passed', 'has its papers')}</p>
    <h1>${vouched?.repository} ${code(digest)}</h1>
    <p class="soft"><code>${reference ?? digest}</code></p>
    ${revoked !== undefined && html`<p class="note bad">Revoked: ${revoked}. The gate refuses it.</p>`}
    ${
      !vouched &&
      revoked === undefined &&
      html`<p class="note bad">
        ${papers.length === 0 ? 'This digest has no papers.' : 'Its papers do not amount to what a release needs.'} The gate refuses it. To
        bring it in: propose the change that makes it, ${command('git push origin HEAD:refs/for/main')}
      </p>`
    }
    ${vouched && origin(vouched)}
    ${reference !== undefined && html`<p class="soft">Check every signature and its place in the ledger: ${command(`waybill verify ${reference}`)}</p>`}
    ${papers.length > 0 && section('papers', 'Papers', html`<div class="papers">${papers.map(paperView)}</div>`)}`;
}

function origin(vouched: Vouched): Html {
  if (!vouched.imported) return built(vouched);
  const { number, reference, requestedBy, approvals } = vouched.imported;
  return facts([
    ['Imported from', reference],
    ['Asked for', html`by ${requestedBy}, import ${number}`],
    ['Vouched for', approvals.join(', ')],
    ['Admitted until', when(vouched.validUntil)],
  ]);
}

function built({ source, review, tests, scans, run, validUntil }: Built): Html {
  const look = scans?.vulnerabilities;
  return facts([
    ['Source', html`${source.repository}, commit ${code(source.commit)}, tree ${code(source.tree)}`],
    [
      'Reviewed',
      review && html`<a href="/changes/${review.change}">change ${review.change}</a>, approved by ${review.approvals.join(', ')}`,
    ],
    ['Tested', tests.map((test) => html`${badge(test.passed ? 'passed' : 'failed', test.stage)} `)],
    [
      'Looked up',
      look &&
        html`${when(look.at)} ${look.databaseAt !== undefined && html`in advisories of ${when(look.databaseAt)}`}:
        ${look.worst === undefined ? 'nothing is open' : html`<strong>the worst that is open is ${look.worst}</strong>`}`,
    ],
    ['Built in', html`<a href="/runs/${run}">run ${run}</a>`],
    ['Admitted until', when(validUntil)],
  ]);
}

function paperView({ predicateType, statement, ledgerIndex }: Paper): Html {
  const said = paperFacts(predicateType, statement);
  return html`<article class="paper">
    <h3>${paperTitle(predicateType, said)} <span class="soft">ledger ${ledgerIndex}</span></h3>
    ${facts(said)}
    <details>
      <summary>What was signed <code class="soft">${predicateType}</code></summary>
      <pre tabindex="0">${JSON.stringify(statement, null, 2)}</pre>
    </details>
  </article>`;
}
