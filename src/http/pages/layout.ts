import { Html, html } from './html.ts';
import { style } from './style.ts';

export type PageOptions = {
  readonly title: string;
  /** Who looks; nobody yet on the form to log in. */
  readonly person?: { readonly name: string; readonly role: string };
  /** The one that the Content-Security-Policy of the same answer names. */
  readonly nonce: string;
  readonly body: Html;
  readonly script?: string;
};

const sections = [
  ['changes', 'Changes'],
  ['runs', 'Runs'],
  ['images', 'Images'],
  ['imports', 'Imports'],
  ['environments', 'Environments'],
  ['refusals', 'Refusals'],
] as const;

/** A whole page. */
export function page({ title, person, nonce, body, script }: PageOptions): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title} · Waybill</title>
        <link rel="icon" href="/icon.svg" type="image/svg+xml" />
        <style nonce="${nonce}">
          ${new Html(style)}
        </style>
      </head>
      <body>
        <a class="skip" href="#content">Skip to the content</a>
        <header>
          <a class="brand" href="/">Waybill</a>
          ${
            person &&
            html`<nav aria-label="Sections of the overview">${sections.map(([id, name]) => html`<a href="/#${id}">${name}</a>`)}</nav>
              <form class="who" method="post" action="/logout">
                <span><bdi>${person.name}</bdi> <span class="soft">${person.role}</span></span>
                <button class="quiet">Log out</button>
              </form>`
          }
        </header>
        <main id="content" tabindex="-1">${body}</main>
        <footer>
          <p>Times are in UTC. These pages only read: everything else is done with git and <code>waybill</code>.</p>
        </footer>
        ${
          script !== undefined &&
          html`<script nonce="${nonce}">
            ${new Html(script)};
          </script>`
        }
      </body>
    </html>`.text;
}

/** A tag on a parcel. */
export const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path d="M4 4h13l12 12-13 13L4 17z" fill="#b4712a"/><circle cx="10" cy="10" r="2.6" fill="#fff"/><path d="m13 17 3 3 6-6" fill="none" stroke="#fff" stroke-width="2.4"/></svg>`;
