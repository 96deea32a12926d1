import { html, type Html } from './html.ts';

/** @param next where to go afterwards: a path of these pages */
export function loginPage(options: { message?: string; next?: string } = {}): Html {
  const { message, next } = options;
  return html`<form class="login" method="post" action="/login">
    <h1>Log in</h1>
    ${message !== undefined && html`<p class="note bad" role="alert" id="why">${message}</p>`}
    ${next !== undefined && html`<input type="hidden" name="next" value="${next}" />`}
    <input type="text" name="username" value="waybill" autocomplete="username" hidden />
    <label for="token">Your token</label>
    <input
      id="token"
      type="password"
      name="token"
      autocomplete="current-password"
      spellcheck="false"
      required
      autofocus
      ${message !== undefined && 'aria-invalid=true aria-describedby=why'}
    />
    <button>Look inside</button>
    <p class="soft">
      An administrator makes one: <code class="command">waybill token create YOU</code>. A browser keeps it as a cookie for 12 hours.
    </p>
  </form>`;
}

/** Something that is not there, or did not work: what it is, and what to do. */
export function failurePage(error: { title: string; detail: string; fix: string }): Html {
  return html`<h1>${error.title}</h1>
    <p>${error.detail.charAt(0).toUpperCase()}${error.detail.slice(1)}</p>
    <p class="note">${error.fix}</p>
    <p><a href="/">To the overview</a></p>`;
}
