/** `npm run screenshots`: plays the demo in a folder of its own and takes the pictures of docs/pictures/ from what it left. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { stripVTControlCharacters, styleText } from 'node:util';
import type { Page } from 'playwright-core';
import { logIn, openBrowser } from './browser.ts';
import { cleanUpPlace } from './demo/clean-up.ts';
import { play } from './demo/play.ts';
import { Screen } from './demo/screen.ts';
import { shrinkPng } from './shrink-png.ts';
import { html, Html } from '../src/http/pages/html.ts';

const root = path.resolve(import.meta.dirname, '..');
const pictures = path.join(root, 'docs', 'pictures');
/** Paths below it stand in the pictures. */
const folder = '/tmp/waybill-demo';
const width = 1280;
const maxBytes = 200_000;

/** A screen that keeps what it showed, with colours wherever it is played. */
class RecordingScreen extends Screen {
  readonly lines: string[] = [];

  override paint(style: Parameters<typeof styleText>[0], text: string): string {
    return styleText(style, text, { validateStream: false });
  }

  override line(text = ''): void {
    this.lines.push(...text.replace('\r\u001b[2K', '').split('\n'));
    super.line(process.stderr.isTTY ? text : stripVTControlCharacters(text));
  }
}

const classes: Readonly<Record<string, string>> = { '1': 'bold', '2': 'dim', '31': 'red', '32': 'green', '36': 'cyan' };

/** A line of a terminal as markup: each colour a span. */
function painted(line: string): Html {
  const parts = line.split(/\u001b\[(\d+)m/);
  let style = '';
  return html`${parts.map((part, index) => {
    if (index % 2 === 0) return part === '' ? '' : html`<span class="${style}">${part}</span>`;
    style = classes[part] ?? '';
    return '';
  })} `;
}

function terminal(lines: readonly string[]): string {
  const css = `body{margin:0;background:#0f1013;color:#dcdcd8;padding:18px 26px;font:12.5px/1.42 ui-monospace,"DejaVu Sans Mono",monospace}
    pre{margin:0;font:inherit;white-space:pre-wrap;overflow-wrap:anywhere}
    .bold{font-weight:700;color:#fff}.dim{color:#9a9da4}.red{color:#ff8a80}.green{color:#57c78f}.cyan{color:#6cc7d9}`;
  const all = ['\u001b[32m$\u001b[39m npm run demo', ...lines];
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <title>npm run demo</title>
        <style>
          ${new Html(css)}
        </style>
      </head>
      <body>
        ${all.map((line) => {
          // A line that is too long goes on below its own beginning.
          const indent = /^ */.exec(stripVTControlCharacters(line))?.[0].length ?? 0;
          return html`<pre style="padding-left:${indent + 2}ch;text-indent:-${indent + 2}ch">${painted(line)}</pre>`;
        })}
      </body>
    </html>`.text;
}

async function take(page: Page, name: string): Promise<void> {
  const file = path.join(pictures, `${name}.png`);
  await page.waitForLoadState('load');
  await page.evaluate('document.fonts.ready');
  const picture = shrinkPng(await page.screenshot({ fullPage: true, animations: 'disabled' }));
  await writeFile(file, picture);
  const size = picture.length;
  console.log(`docs/pictures/${name}.png  ${(size / 1000).toFixed(0)} kB`);
  if (size > maxBytes) throw new Error(`${file} is larger than ${maxBytes} bytes`);
}

await using stack = new AsyncDisposableStack();
const signal = AbortSignal.timeout(10 * 60_000);
await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true, mode: 0o700 });
await mkdir(pictures, { recursive: true });
stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
const data = path.join(folder, 'data');
stack.defer(() => cleanUpPlace({ kind: 'local' }, data));

const screen = new RecordingScreen();
const { stage, told } = await play({ screen, root, data, scratch: path.join(folder, 'people'), place: { kind: 'local' }, signal }, stack);
const failed = screen.acts.filter((act) => !act.ok).map((act) => act.name);
if (failed.length > 0) throw new Error(`no pictures of a story that went wrong: ${failed.join(', ')}`);

const browser = await openBrowser(process.env['CHROMIUM'] ?? '/usr/bin/chromium');
stack.defer(() => browser.close());
const context = await browser.newContext({ viewport: { width, height: 800 }, colorScheme: 'light' });
const page = await logIn(context, stage.url, stage.dana.token.reveal());
await take(page, 'home');
await page.goto(`${stage.url}/runs/${told.run}?log=${encodeURIComponent('image/shop')}`);
await take(page, 'run');
await page.getByRole('link', { name: /^change \d+$/ }).click();
await page.getByRole('heading', { name: 'Reviews' }).waitFor();
await take(page, 'change');
await page.goto(`${stage.url}/images/${told.image.replace(/^.*@/, '')}`);
await take(page, 'image');

const text = path.join(folder, 'demo.html');
await writeFile(text, terminal(screen.lines));
await page.goto(`file://${text}`);
await take(page, 'demo');
