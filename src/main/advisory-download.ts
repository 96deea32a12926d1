import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { WaybillError, isWaybillError, messageOf } from '../kernel/error.ts';
import type { AdvisorySource, Validators } from '../scan/advisories/source.ts';
import { zipRecords } from '../scan/advisories/zip-records.ts';
import { isLoopback } from './doors.ts';

/** OSV's own exports (google.github.io/osv.dev/data). */
export const osvExports = 'https://osv-vulnerabilities.storage.googleapis.com';

const mostHops = 5;
const tries = 3;
/** Longest time without a byte, in milliseconds. */
const stallMilliseconds = 60_000;
const listBytes = 1024 * 1024;

/**
 * Exports of advisories over HTTPS, laid out as OSV's are (`ECOSYSTEM/all.zip`, `ecosystems.txt`); plain HTTP from this host alone. Asks first whether there is
 * something new. Sends no credential, follows no redirect to plain HTTP, and reads no more than the limits allow.
 * @param asOf when the source is known to be current. Default: for OSV's own exports now; for a mirror what it says of the age of the file
 * @throws WaybillError INVALID_INPUT for an address that will not do
 */
export function downloadSource(address: string, { asOf, now }: { readonly asOf?: Date; readonly now: () => Date }): AdvisorySource {
  const base = parseBase(address);
  const name = base.href.replace(/\/$/, '');
  const at = (path: string) => new URL(`${name}/${path}`);
  return {
    name,
    async ecosystems(signal) {
      try {
        const response = await get(at('ecosystems.txt'), {}, signal);
        const text = await readText(response, signal);
        return text.split(/\r?\n/).filter((line) => line !== '');
      } catch (error) {
        if (isWaybillError(error, 'NOT_FOUND')) return undefined;
        throw error;
      }
    },
    async fetch({ ecosystem, known, scratch, limits, signal, progress }) {
      const url = at(`${encodeURIComponent(ecosystem)}/all.zip`);
      const started = now();
      const response = await get(url, conditions(known), signal);
      if (response.status === 304) {
        await response.body?.cancel();
        return { outcome: 'unchanged', current: asOf ?? (name === osvExports ? started : (dateOf(response) ?? dateIn(known) ?? started)) };
      }
      await save(response, { url, scratch, most: limits.archiveBytes, signal, progress });
      return {
        outcome: 'new',
        records: zipRecords(scratch),
        validators: validatorsOf(response),
        current: asOf ?? (name === osvExports ? started : (dateOf(response) ?? started)),
      };
    },
  };
}

function parseBase(address: string): URL {
  const url = URL.parse(address);
  const fix = `Give an address like ${osvExports}, or a folder.`;
  if (!url) throw new WaybillError('INVALID_INPUT', `${JSON.stringify(address.slice(0, 200))} is no address`, { fix });
  if (url.username !== '' || url.password !== '') throw new WaybillError('INVALID_INPUT', 'an address with a password in it', { fix });
  if (url.search !== '' || url.hash !== '') throw new WaybillError('INVALID_INPUT', `${address} has more than a path`, { fix });
  checkProtocol(url);
  return url;
}

function checkProtocol(url: URL): void {
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname.replace(/^\[|\]$/g, '')))) return;
  throw new WaybillError(
    'INVALID_INPUT',
    `${url.origin} is asked over HTTPS alone: whoever changes advisories on the way hides a vulnerability`,
  );
}

const conditions = (known: Validators | undefined): Record<string, string> => ({
  ...(known?.etag === undefined ? {} : { 'if-none-match': known.etag }),
  ...(known?.lastModified === undefined ? {} : { 'if-modified-since': known.lastModified }),
});

function validatorsOf({ headers }: Response): Validators {
  const etag = headers.get('etag');
  const lastModified = headers.get('last-modified');
  return {
    ...(etag === null || etag.length > 500 ? {} : { etag }),
    ...(lastModified === null || lastModified.length > 100 ? {} : { lastModified }),
  };
}

const dateOf = (response: Response) => dateIn(validatorsOf(response));

function dateIn(validators: Validators | undefined): Date | undefined {
  const time = Date.parse(validators?.lastModified ?? '');
  return Number.isNaN(time) ? undefined : new Date(time);
}

/** Follows redirects, and tries again what may pass: a connection that breaks, an answer of 429 or 5xx. */
async function get(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await follow(url, headers, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (attempt >= tries || !isWaybillError(error, 'UNREACHABLE')) throw error;
      await sleep(500 * 2 ** attempt, undefined, { signal });
    }
  }
}

async function follow(from: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
  let url = from;
  for (let hop = 0; hop <= mostHops; hop++) {
    const response = await ask(url, headers, signal);
    const { status } = response;
    if (status === 200 || status === 304) return response;
    await response.body?.cancel();
    const location = response.headers.get('location');
    if (status >= 300 && status < 400 && location !== null) {
      const next = URL.parse(location, url.href);
      if (!next) throw new WaybillError('UNREACHABLE', `${url.href} leads to something that is no address`);
      checkProtocol(next);
      url = next;
      continue;
    }
    if (status >= 400 && status < 500 && status !== 408 && status !== 429)
      throw new WaybillError('NOT_FOUND', `${url.href} answers ${status}`, { fix: 'Check --from and the names of the ecosystems.' });
    throw new WaybillError('UNREACHABLE', `${url.href} answers ${status}`, {
      fix: 'Try again later, or take a mirror or a folder with --from.',
    });
  }
  throw new WaybillError('INVALID_INPUT', `${from.href} leads from one address to the next, more than ${mostHops} times`);
}

async function ask(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
  try {
    return await fetch(url.href, {
      headers: { ...headers, 'accept-encoding': 'identity', 'user-agent': 'waybill' },
      redirect: 'manual',
      credentials: 'omit',
      signal: AbortSignal.any([signal, AbortSignal.timeout(stallMilliseconds)]),
    });
  } catch (cause) {
    signal.throwIfAborted();
    const reason = cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : messageOf(cause);
    throw new WaybillError('UNREACHABLE', `${url.href}: ${reason}`, {
      cause,
      fix: 'Check the network, or bring a folder: waybill db update --from DIR.',
    });
  }
}

async function readText(response: Response, signal: AbortSignal): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    signal.throwIfAborted();
    size += chunk.length;
    if (size > listBytes) throw new WaybillError('LIMIT_EXCEEDED', `${response.url} has more than ${listBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

type Save = {
  readonly url: URL;
  readonly scratch: string;
  readonly most: number;
  readonly signal: AbortSignal;
  readonly progress: (bytes: number, of: number | undefined) => void;
};

async function save(response: Response, { url, scratch, most, signal, progress }: Save): Promise<void> {
  const length = Number(response.headers.get('content-length') ?? Number.NaN);
  const expected = Number.isSafeInteger(length) ? length : undefined;
  const tooLarge = () => new WaybillError('LIMIT_EXCEEDED', `${url.href} has more than ${most} bytes`);
  if (expected !== undefined && expected > most) {
    await response.body?.cancel();
    throw tooLarge();
  }
  await using handle = await open(scratch, 'wx', 0o600);
  let size = 0;
  try {
    for await (const chunk of response.body ?? []) {
      signal.throwIfAborted();
      size += chunk.length;
      if (size > most) throw tooLarge();
      for (let have = 0; have < chunk.length;) have += (await handle.write(chunk, have)).bytesWritten;
      progress(size, expected);
    }
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof WaybillError || (cause instanceof Error && 'syscall' in cause && cause.syscall === 'write')) throw cause;
    throw new WaybillError('UNREACHABLE', `${url.href} broke off after ${size} bytes: ${messageOf(cause)}`, { cause });
  }
  if (expected !== undefined && size !== expected)
    throw new WaybillError('UNREACHABLE', `${url.href} broke off after ${size} of ${expected} bytes`);
}
