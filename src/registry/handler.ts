import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { isWaybillError, messageOf, WaybillError } from '../kernel/error.ts';
import { withDeadline } from '../kernel/deadline.ts';
import { isDiskFull } from './disk-full.ts';
import type { Exchange, Parts } from './exchange.ts';
import { handleBlob } from './handle-blob.ts';
import { listReferrers, listTags } from './handle-lists.ts';
import { handleManifest } from './handle-manifest.ts';
import { Pace, type Watch } from './pace.ts';
import { continueUpload, startUpload } from './handle-upload.ts';
import { handleMirror } from './mirror/handle-mirror.ts';
import { mirrorPlace } from './mirror/path.ts';
import { ProtocolError, sendError, sendJson } from './protocol-error.ts';
import { tooMany, type RateLimit } from './rate-limit.ts';
import { parseRoute, type Route } from './route.ts';

/** A body that nobody wants any more is read away for this long at most, so that the client sees the refusal before the connection ends. */
const longestLingerMs = 5_000;

type TokenEndpoint = (request: IncomingMessage, response: ServerResponse, query: URLSearchParams) => Promise<void>;

/** From a request to its answer: deadlines, route, credentials, handler, errors. The returned function never rejects. */
export function createHandler(options: {
  parts: Parts;
  token: TokenEndpoint;
  /** Undefined where nobody is held back. */
  requests: RateLimit | undefined;
}): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const { parts, token, requests } = options;
  const { limits, logger, authority, addressOf } = parts;
  const lingerMs = Math.min(longestLingerMs, limits.idleMs);
  const pace = new Pace({ bytesPerSecond: limits.bytesPerSecond, windowMs: limits.idleMs });

  async function answer(request: IncomingMessage, response: ServerResponse, signal: AbortSignal, watch: Watch): Promise<void> {
    const url = request.url ?? '/';
    const mark = url.indexOf('?');
    const path = mark < 0 ? url : url.slice(0, mark);
    const query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
    if (path === '/registry/token') {
      hold(`address ${addressOf(request)}`);
      return await token(request, response, query);
    }
    response.setHeader('docker-distribution-api-version', 'registry/2.0');
    const access = await authority.identify(request);
    hold(access?.holder ?? `address ${addressOf(request)}`);
    const exchange = { request, response, method: request.method ?? '', query, access, signal, atWork: () => watch.atWork() };
    let route: Route;
    try {
      route = parseRoute(path, request.method ?? '');
    } catch (error) {
      authority.demandAnybody(access);
      throw error;
    }
    await dispatch(exchange, route);
  }

  function hold(key: string): void {
    const now = parts.clock.now().getTime();
    const seconds = requests?.wait(key, now) ?? 0;
    if (seconds > 0) throw tooMany(`More than ${limits.requestsPerSecond} requests a second`, seconds);
    requests?.take(key, now);
  }

  async function dispatch(exchange: Exchange, route: Route): Promise<void> {
    if (parts.mirrors && route.kind !== 'base') {
      const place = mirrorPlace(route.repository, exchange.query.get('ns'), parts.service);
      if (place) return await handleMirror(parts, parts.mirrors, exchange, route, place);
    }
    switch (route.kind) {
      case 'base':
        authority.demandAnybody(exchange.access);
        return sendJson(exchange.response, {});
      case 'blob':
        return await handleBlob(parts, exchange, route.repository, route.digest);
      case 'manifest':
        return await handleManifest(parts, exchange, route.repository, route.reference);
      case 'uploads':
        return await startUpload(parts, exchange, route.repository);
      case 'upload':
        return await continueUpload(parts, exchange, route.repository, route.id);
      case 'tags':
        return await listTags(parts, exchange, route.repository);
      case 'referrers':
        return await listReferrers(parts, exchange, route.repository, route.digest);
      default:
        return route satisfies never;
    }
  }

  return async (request, response) => {
    using deadline = withDeadline(undefined, limits.requestMs, 'The request');
    const slow = new AbortController();
    const { socket } = request;
    // Whoever waits for the signal answers; the connection ends soon after, whoever waits for what.
    deadline.signal.addEventListener('abort', () => endSoon(socket, lingerMs), { once: true });
    using watch = pace.watch(request, response, () => {
      slow.abort(new WaybillError('DEADLINE_EXCEEDED', `The client moves fewer than ${limits.bytesPerSecond} bytes a second`));
      endSoon(socket, lingerMs);
    });
    socket.setTimeout(limits.idleMs);
    const onIdle = () => {
      if (watch.isBusy()) return void socket.setTimeout(limits.idleMs);
      slow.abort(new WaybillError('DEADLINE_EXCEEDED', `Nothing moved for ${limits.idleMs} ms`));
      // The peer reads nothing and sends nothing: there is nobody to answer.
      socket.destroy();
    };
    socket.on('timeout', onIdle);
    response.once('close', () => socket.off('timeout', onIdle));
    try {
      await answer(request, response, AbortSignal.any([deadline.signal, slow.signal]), watch);
    } catch (error) {
      const failure = toProtocolError(error);
      if (failure.status >= 500)
        logger.error(
          { method: request.method, path: request.url?.split('?', 1)[0]?.slice(0, 300), error: messageOf(error) },
          'The registry could not answer',
        );
      if (response.headersSent || response.destroyed) response.destroy();
      else sendError(response, failure, request.method === 'HEAD');
      if (!request.complete) linger(request, lingerMs);
    }
  };
}

function linger(request: IncomingMessage, lingerMs: number): void {
  const timer = endSoon(request.socket, lingerMs);
  request.once('close', () => clearTimeout(timer));
  request.resume();
}

function endSoon(socket: Socket, lingerMs: number): NodeJS.Timeout {
  return setTimeout(() => socket.destroy(), lingerMs).unref();
}

function toProtocolError(error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error;
  if (isDiskFull(error))
    return new ProtocolError('UNKNOWN', 'The disk of the registry is full; nothing was kept of this request', {
      status: 507,
      cause: error,
    });
  if (isWaybillError(error, 'DEADLINE_EXCEEDED')) return new ProtocolError('UNKNOWN', error.detail, { status: 408, cause: error });
  return new ProtocolError('UNKNOWN', 'The registry failed; its log says why', { cause: error });
}
