import { html, type Html } from './html.ts';
import { short } from './layout.ts';

export type Paper = { readonly predicateType: string; readonly statement: unknown; readonly ledgerIndex: number };

/** All papers of one digest, each as it was signed. */
export function imagePage(digest: string, repository: string, papers: readonly Paper[]): Html {
  return html`<h1>${repository} <code>${short(digest)}</code></h1>
    <p class="mono soft">${digest}</p>
    ${papers.length === 0 ? html`<p class="note">This digest has no papers. The gate refuses it.</p>` : ''}
    ${papers.map(
      (paper) =>
        html`<h2>${paper.predicateType} <span class="soft">ledger ${paper.ledgerIndex}</span></h2>
          <pre class="log">${JSON.stringify(paper.statement, null, 2)}</pre>`,
    )}`;
}

export function loginPage(message: string | undefined): Html {
  return html`<form class="login" method="post" action="/login">
    <h1>Waybill</h1>
    ${message !== undefined && html`<p class="note">${message}</p>`}
    <label>Your token <input type="password" name="token" autocomplete="current-password" required autofocus /></label>
    <button>Look inside</button>
    <p class="soft">These pages only read. Everything else is done with git and <code>waybill</code>.</p>
  </form>`;
}
