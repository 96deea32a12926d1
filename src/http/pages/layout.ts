import { Html, html } from './html.ts';
import { style } from './style.ts';

/** A whole page. `nonce` is the one that the Content-Security-Policy of the same answer names. */
export function page(options: { title: string; person?: string; nonce: string; body: Html; script?: string }): string {
  const { title, person, nonce, body, script } = options;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} · Waybill</title>
        <style nonce="${nonce}">
          ${new Html(style)}
        </style>
      </head>
      <body>
        <header>
          <a href="/"><strong>Waybill</strong></a> <span>${person ?? ''}</span>
        </header>
        <main>${body}</main>
        ${
          script !== undefined &&
          html`<script nonce="${nonce}">
            ${new Html(script)};
          </script>`
        }
      </body>
    </html>`.text;
}

export function badge(status: string): Html {
  return html`<span class="badge ${status}">${status}</span>`;
}

export function took(from: string | undefined, to: string | undefined): string {
  if (from === undefined || to === undefined) return '';
  return `${((Date.parse(to) - Date.parse(from)) / 1000).toFixed(1)} s`;
}

export function short(oid: string): string {
  return oid.replace(/^sha256:/, '').slice(0, 12);
}
