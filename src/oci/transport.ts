import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { withDeadline } from '../kernel/deadline.ts';
import { WaybillError, isWaybillError, messageOf } from '../kernel/error.ts';
import { demandPublicLiteral, publicLookup } from './public-address.ts';

export type HttpBody = { readonly bytes: Uint8Array } | { readonly size: number; readonly open: () => Readable | Promise<Readable> };

export type HttpRequest = {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: HttpBody;
  readonly signal: AbortSignal | undefined;
  /** For the whole exchange, the body of the answer included. */
  readonly timeoutMs: number;
  /** A second try does no harm, and `body` can be opened again. */
  readonly repeatable: boolean;
};

/** The body must be read to its end or destroyed; the deadline ends with it. */
export type HttpResponse = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly url: URL;
  readonly body: IncomingMessage;
  /** Why the body broke off: a deadline, a cancellation, or the connection. */
  explain(cause: unknown): WaybillError;
};

export type Transport = Disposable & { send(request: HttpRequest): Promise<HttpResponse> };

const retryableStatus = new Set([429, 502, 503, 504]);
const retryDelaysMs = [100, 500, 2_000];
const maxRedirects = 5;

/**
 * HTTP over node:http with kept-alive connections: redirects, a few retries, and no header that leaks to another host.
 * @param options.anyAddress when given: hosts (`host` or `host:port`) that may be anywhere; all others are reached at public addresses alone
 */
export function createTransport(options: { idleMs: number; maxSockets: number; ca?: string; anyAddress?: readonly string[] }): Transport {
  const http = new HttpAgent({ keepAlive: true, maxSockets: options.maxSockets });
  const https = new HttpsAgent({
    keepAlive: true,
    maxSockets: options.maxSockets,
    ...(options.ca === undefined ? {} : { ca: options.ca }),
  });

  async function once(request: HttpRequest): Promise<HttpResponse> {
    const { method, url, body } = request;
    const what = `${method} ${url.origin}${url.pathname}`;
    const deadline = withDeadline(request.signal, request.timeoutMs, what);
    const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>();
    const size = body === undefined ? undefined : 'bytes' in body ? body.bytes.byteLength : body.size;
    const needsLength = size ?? (method === 'GET' || method === 'HEAD' ? undefined : 0);
    let source: Readable | undefined;
    try {
      deadline.signal.throwIfAborted();
      const confined = options.anyAddress !== undefined && !names(url).some((name) => options.anyAddress?.includes(name));
      if (confined) demandPublicLiteral(url);
      source = body && 'open' in body ? await body.open() : undefined;
      const outgoing = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
        method,
        agent: url.protocol === 'https:' ? https : http,
        headers: { ...request.headers, ...(needsLength === undefined ? {} : { 'content-length': needsLength }) },
        signal: deadline.signal,
        timeout: options.idleMs,
        maxHeaderSize: 64 * 1024,
        ...(confined ? { lookup: publicLookup } : {}),
      });
      // Kept, because an answer that is broken off on purpose says only that it was aborted.
      let ended: WaybillError | undefined;
      const end = (error: WaybillError) => {
        ended ??= error;
        outgoing.destroy(error);
      };
      const explain = (cause: unknown) => ended ?? failure(cause, what, deadline.signal);
      outgoing.once('timeout', () => end(new WaybillError('DEADLINE_EXCEEDED', `${what}: nothing moved for ${options.idleMs} ms`)));
      outgoing.on('error', (cause) => {
        source?.destroy();
        reject(explain(cause));
      });
      outgoing.once('response', (answer) => {
        answer.once('close', () => {
          deadline[Symbol.dispose]();
          source?.destroy();
        });
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, url, body: answer, explain });
      });
      if (source) send(source, outgoing, size ?? 0, (cause) => end(failure(cause, what, deadline.signal)));
      else outgoing.end(body && 'bytes' in body ? body.bytes : undefined);
      return await promise;
    } catch (error) {
      source?.destroy();
      deadline[Symbol.dispose]();
      throw isWaybillError(error) ? error : failure(error, what, deadline.signal);
    }
  }

  async function withRetries(request: HttpRequest): Promise<HttpResponse> {
    for (let attempt = 0; ; attempt++) {
      const delay = request.repeatable ? retryDelaysMs[attempt] : undefined;
      try {
        const response = await once(request);
        if (delay === undefined || !retryableStatus.has(response.status)) return response;
        response.body.destroy();
        const asked = Number(response.headers['retry-after']) * 1000;
        await pause(asked > 0 ? Math.min(asked, 10_000) : delay, request);
      } catch (error) {
        if (delay === undefined || !isWaybillError(error, 'REGISTRY_FAILED')) throw error;
        await pause(delay, request);
      }
    }
  }

  return {
    async send(request) {
      let current = request;
      for (let hops = 0; hops <= maxRedirects; hops++) {
        const response = await withRetries(current);
        const { location } = response.headers;
        const redirected = [301, 302, 303, 307, 308].includes(response.status) && location !== undefined;
        if (!redirected || (current.method !== 'GET' && current.method !== 'HEAD')) return response;
        response.body.resume();
        current = { ...current, url: nextUrl(location, current.url), headers: headersFor(current, location) };
      }
      throw new WaybillError('REGISTRY_FAILED', `${request.url.origin} redirects more than ${maxRedirects} times`);
    },
    [Symbol.dispose]() {
      http.destroy();
      https.destroy();
    },
  };
}

/** As somebody may have written its host. */
function names(url: URL): readonly string[] {
  return [url.host, `${url.hostname}:${url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : url.port}`];
}

/** Exactly `size` bytes go out: fewer would leave the other side waiting, more would be taken for the next request. */
function send(source: Readable, outgoing: ClientRequest, size: number, fail: (cause: unknown) => void): void {
  let sent = 0;
  const wrong = () => fail(new WaybillError('DIGEST_MISMATCH', `The content to upload has ${sent} bytes or more; expected were ${size}`));
  source.on('data', (chunk: Buffer) => {
    sent += chunk.length;
    if (sent > size) wrong();
  });
  source.once('error', fail);
  source.once('end', () => (sent === size ? outgoing.end() : wrong()));
  source.pipe(outgoing, { end: false });
}

async function pause(milliseconds: number, request: HttpRequest): Promise<void> {
  try {
    await sleep(milliseconds, undefined, request.signal ? { signal: request.signal } : {});
  } catch (cause) {
    throw failure(cause, `${request.method} ${request.url.origin}`, AbortSignal.abort(request.signal?.reason));
  }
}

/** Never from https to http. */
function nextUrl(location: string, from: URL): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (!to || !['http:', 'https:'].includes(to.protocol) || (from.protocol === 'https:' && to.protocol === 'http:'))
    throw new WaybillError('REGISTRY_FAILED', `${from.origin} redirects to a place that is not followed`);
  return to;
}

function headersFor(request: HttpRequest, location: string): Record<string, string> {
  const { authorization, ...rest } = request.headers;
  const same = new URL(location, request.url).origin === request.url.origin;
  return same && authorization !== undefined ? { ...rest, authorization } : rest;
}

function failure(cause: unknown, what: string, signal: AbortSignal): WaybillError {
  if (isWaybillError(cause)) return cause;
  if (signal.aborted) return isWaybillError(signal.reason) ? signal.reason : new WaybillError('CANCELLED', what, { cause });
  return new WaybillError('REGISTRY_FAILED', `${what}: ${messageOf(cause) || 'the connection failed'}`, { cause });
}

/** Reads a small answer. @throws WaybillError LIMIT_EXCEEDED, REGISTRY_FAILED */
export async function readAnswer(response: HttpResponse, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  const body: AsyncIterable<Buffer> = response.body;
  try {
    for await (const chunk of body) {
      size += chunk.length;
      if (size > maxBytes) throw new WaybillError('LIMIT_EXCEEDED', `${response.url.pathname} answered with more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (cause) {
    throw response.explain(cause);
  }
  return Buffer.concat(chunks, size);
}
