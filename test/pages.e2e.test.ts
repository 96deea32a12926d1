import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { logIn, openBrowser } from '../scripts/browser.ts';
import { endpoints } from '../src/api/endpoints.ts';
import { ended, newRepository, pushVersion } from './kit/repository.ts';
import { findProgram, skip } from './kit/needs.ts';
import { openWaybill } from './kit/waybill.ts';

/** Says a number five times a second until it is cancelled; before that, what would be markup or a terminal's order. */
const pipeline = `version: 1
defaults: { network: none, timeout: 4m }
stages:
  - name: count
    on: [change]
    steps:
      - run: |
          printf '%s\\n' '<img src=x onerror="document.title=1"><script>document.title=2</script>'
          printf '\\033[31mred\\033[0m \\342\\200\\256turned\\n'
          echo trouble >&2
      - run: |
          i=0
          while true; do i=$((i+1)); echo "tick $i"; sleep 0.2; done
`;
const title = `<b>Bold</b> "words" & 'more'`;

/** What the page did that it must not: errors, and requests that left the server. */
function watch(page: Page, url: string): string[] {
  const wrong: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') wrong.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => wrong.push(`threw: ${error.message}`));
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== url) wrong.push(`left for ${request.url()}`);
  });
  page.on('dialog', (dialog) => {
    wrong.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return wrong;
}

/** A way to the server that can be cut: every connection is lost, new ones are taken. */
async function cuttableWay(port: number): Promise<AsyncDisposable & { readonly url: string; cut(): void }> {
  const sockets = new Set<Socket>();
  const relay = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.once('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      // What matters of a failure is the close that follows.
      socket.on('error', () => other.destroy());
      socket.pipe(other);
    }
  });
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const { port: own } = relay.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${own}`,
    cut,
    async [Symbol.asyncDispose]() {
      const closed = once(relay, 'close');
      relay.close();
      cut();
      await closed;
    },
  };
}

const ticks = (page: Page): Promise<number[]> =>
  page
    .locator('#log .l span')
    .evaluateAll((spans) => spans.flatMap((span) => /^tick (\d+)$/.exec(span.textContent ?? '')?.[1] ?? []).map(Number));

test('the pages in a real browser', { timeout: 300_000 }, async (t) => {
  const program = await findProgram('chromium', 'CHROMIUM');
  if (program === undefined) return skip(t, 'chromium is not installed (or name one in CHROMIUM)');
  await using stack = new AsyncDisposableStack();
  const waybill = await openWaybill();
  stack.use(waybill);
  const { dana, rita, signal } = waybill;
  const way = stack.use(await cuttableWay(Number(new URL(waybill.url).port)));
  const { url } = way;
  const browser: Browser = await openBrowser(program);
  stack.defer(() => browser.close());
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await logIn(context, url, dana.token.reveal());
  const wrong = watch(page, url);

  await t.test('an empty Waybill says what to do', async () => {
    await page.reload();
    await page.getByText('waybill repo add NAME').waitFor();
    assert.equal(await page.locator('table').count(), 0);
  });

  await newRepository(waybill, 'count', { 'README.md': 'one\n', 'waybill.yaml': pipeline });
  const { id } = await pushVersion(waybill, 'count', { 'README.md': 'two\n' }, [], title);
  const { runs } = await dana.api.call(endpoints.showChange, { params: { id } });
  const run = runs[0]?.id;
  assert.ok(run !== undefined, 'the push started a run');

  await t.test('the overview takes up what happens, without being loaded again', async () => {
    await page
      .getByRole('link', { name: `Change ${id}`, exact: true })
      .first()
      .waitFor();
    await page.getByRole('table', { name: 'Changes, newest first' }).waitFor();
    await page
      .getByRole('link', { name: `Run ${run}`, exact: true })
      .first()
      .click();
    await page.waitForURL(`${url}/runs/${run}`);
  });

  await t.test('lines of the log appear while the run goes on, each once and in order', async () => {
    await page.getByRole('log').getByText('tick 1', { exact: true }).waitFor();
    await page.evaluate('window.untouched = true');
    const [before] = (await ticks(page)).slice(-1);
    assert.ok(before !== undefined);
    await page
      .getByRole('log')
      .getByText(`tick ${before + 5}`, { exact: true })
      .waitFor();
    // A connection that was lost begins anew, with the first line.
    const again = page.waitForRequest(/\/log\?follow=1/);
    way.cut();
    await again;
    await page
      .getByRole('log')
      .getByText(`tick ${before + 10}`, { exact: true })
      .waitFor();
    const seen = await ticks(page);
    assert.deepEqual(
      seen,
      seen.map((_, index) => index + 1),
    );
    assert.equal(await page.evaluate('window.untouched'), true, 'the page was not loaded again');
  });

  await t.test('what a step prints is text, and says where it came from', async () => {
    const log = page.getByRole('log');
    await log.getByText('<img src=x onerror="document.title=1"><script>document.title=2</script>', { exact: true }).waitFor();
    await log.getByText('red \uFFFDturned', { exact: true }).waitFor();
    assert.equal(await log.locator('.e span').first().textContent(), 'trouble');
    assert.equal(await log.locator('img, script').count(), 0);
    assert.equal(await page.title(), `Run ${run} running · Waybill`);
  });

  await t.test('the end of the run shows by itself', async () => {
    await page.evaluate('window.untouched = true');
    await rita.api.call(endpoints.cancelRun, { params: { id: run }, body: { reason: 'seen enough' } });
    await ended(dana, run, signal);
    await page.getByRole('heading', { level: 1, name: 'cancelled' }).waitFor();
    await page.getByText('seen enough').first().waitFor();
    assert.equal(await page.evaluate('window.untouched'), true);
    assert.equal(await page.locator('[data-open]').count(), 0, 'nothing is asked for any more');
  });

  await t.test('landmarks, headings and the keyboard lead through a page', async () => {
    await page.goto(`${url}/runs/${run}`);
    for (const role of ['banner', 'main', 'contentinfo'] as const) assert.equal(await page.getByRole(role).count(), 1, role);
    await page.getByRole('navigation', { name: 'Jobs and steps' }).waitFor();
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate('document.activeElement.textContent'), 'Skip to the content');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate('document.activeElement.id'), 'content');
    assert.equal(await page.locator('html').getAttribute('lang'), 'en');
  });

  await t.test('no page is wider than a narrow screen', async () => {
    for (const width of [320, 390, 800]) {
      await page.setViewportSize({ width, height: 700 });
      for (const path of ['/', `/runs/${run}`, `/changes/${id}`, '/nowhere', `/images/sha256:${'a'.repeat(64)}`]) {
        await page.goto(`${url}${path}`);
        const over = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
        assert.equal(over, 0, `${path} at ${width}`);
      }
    }
  });

  await t.test('without scripts a page shows what was true when it was sent', async () => {
    const bare = await browser.newContext({ javaScriptEnabled: false });
    const still = await logIn(bare, url, rita.token.reveal(), `/runs/${run}`);
    await still.getByRole('log').getByText('tick 1', { exact: true }).waitFor();
    await still.getByRole('button', { name: 'Log out' }).click();
    await still.waitForURL(`${url}/login`);
    await still.goto(`${url}/`);
    await still.getByRole('heading', { name: 'Log in' }).waitFor();
    await bare.close();
  });

  // What was asked for on purpose: a page that is not there, and a connection that was cut.
  const meant = /status of 404|net::ERR_/;
  assert.deepEqual(
    wrong.filter((line) => !meant.test(line)),
    [],
  );
});
