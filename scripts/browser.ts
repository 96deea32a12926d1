import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';

/** Nothing that a browser does by itself goes out: what is asked for is the pages alone. */
const quiet = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A headless Chromium with a profile of its own that goes with it. */
export async function openBrowser(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: quiet, timeout: 60_000 });
}

/** Logs in as whoever the token belongs to, through the form; ends on `path`. */
export async function logIn(context: BrowserContext, url: string, token: string, path = '/'): Promise<Page> {
  const page = await context.newPage();
  await page.goto(`${url}/login`);
  await page.getByLabel('Your token').fill(token);
  await page.getByRole('button', { name: 'Look inside' }).click();
  await page.waitForURL(`${url}/`);
  if (path !== '/') await page.goto(`${url}${path}`);
  return page;
}
