import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../kernel/clock.ts';
import { withDeadline } from '../kernel/deadline.ts';
import { isWaybillError, messageOf, WaybillError } from '../kernel/error.ts';
import type { Logger } from '../kernel/logger.ts';
import type { Secret } from '../kernel/secret.ts';
import type { PolicySet } from '../policy/evidence-policy.ts';
import type { CustomWorkload } from './images.ts';
import type { KnowledgeSource } from './judge-object.ts';
import { BodyBudget, readJson } from './request-body.ts';
import { reviewAdmission, type AdmissionRecord } from './review.ts';

/** PEM of the serving certificate (with what lies between it and the CA) and of its key. */
export type ServingCertificate = { readonly cert: string; readonly key: Secret };

export type AdmissionLimits = {
  readonly bodyBytes: number;
  /** All bodies that are held at one moment. */
  readonly heldBytes: number;
  readonly connections: number;
  /** Milliseconds for one review; a shorter `?timeout=` of the API server goes first. */
  readonly requestMs: number;
  /** Milliseconds that requests under way get when the server stops. */
  readonly drainMs: number;
};

const defaultLimits: AdmissionLimits = {
  bodyBytes: 8 * 1024 * 1024,
  heldBytes: 256 * 1024 * 1024,
  connections: 2_000,
  requestMs: 8_000,
  drainMs: 10_000,
};

export type ServeAdmissionOptions = {
  readonly host: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
  readonly tls: ServingCertificate;
  readonly policies: PolicySet | (() => PolicySet);
  readonly source: KnowledgeSource & { readonly ready: boolean };
  readonly customWorkloads?: readonly CustomWorkload[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told after each answer; what it throws is logged and changes no verdict. */
  readonly onVerdict?: (record: AdmissionRecord) => void;
  readonly limits?: Partial<AdmissionLimits>;
};

/** A gate that listens. Disposing it answers what is under way, then closes. */
export type AdmissionServer = AsyncDisposable & {
  readonly host: string;
  readonly port: number;
  /** New connections use the new certificate; open ones go on. */
  replaceCertificate(tls: ServingCertificate): void;
  close(): Promise<void>;
};

type Reply = { readonly status: number; readonly body: unknown };

/** Serves `POST /admit`, `GET /healthz` and `GET /readyz` (ready once a verified snapshot is there) over TLS. */
export async function serveAdmission(options: ServeAdmissionOptions): Promise<AdmissionServer> {
  const limits = { ...defaultLimits, ...options.limits };
  const budget = new BodyBudget(limits.heldBytes);
  const state = { draining: false };

  const server = createServer(
    {
      ...context(options.tls),
      minVersion: 'TLSv1.2',
      keepAlive: true,
      keepAliveTimeout: 65_000,
      headersTimeout: 10_000,
      requestTimeout: 30_000,
      maxHeaderSize: 16 * 1024,
    },
    (request, response) => {
      void answer(request, options, limits, budget, state).then((reply) => send(response, reply, state.draining));
    },
  );
  server.maxConnections = limits.connections;
  server.on('tlsClientError', (error) => options.logger.debug({ error: messageOf(error) }, 'TLS handshake failed'));
  const address = await listen(server, options.host, options.port);
  server.on('error', (error) => options.logger.error({ error: messageOf(error) }, 'admission server failed'));

  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    state.draining = true;
    closing ??= drain(server, limits.drainMs);
    return closing;
  };
  return {
    host: options.host,
    port: address.port,
    replaceCertificate: (tls) => server.setSecureContext({ ...context(tls), minVersion: 'TLSv1.2' }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Never rejects: every failure is an answer that admits nothing. */
async function answer(
  request: IncomingMessage,
  options: ServeAdmissionOptions,
  limits: AdmissionLimits,
  budget: BodyBudget,
  state: { readonly draining: boolean },
): Promise<Reply> {
  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  if (path === '/healthz' && request.method === 'GET') return { status: 200, body: { status: 'ok' } };
  if (path === '/readyz' && request.method === 'GET') {
    if (state.draining) return { status: 503, body: { status: 'stopping' } };
    return options.source.ready ? { status: 200, body: { status: 'ok' } } : { status: 503, body: { status: 'no verified snapshot yet' } };
  }
  if (path !== '/admit') return { status: 404, body: { error: 'POST /admit, GET /healthz, GET /readyz' } };
  if (request.method !== 'POST') return { status: 405, body: { error: 'POST /admit' } };
  try {
    using deadline = withDeadline(undefined, Math.min(limits.requestMs, askedTimeout(query)), 'the review');
    const review = await readJson(request, { bytes: limits.bodyBytes, budget, signal: deadline.signal });
    const { answer, record } = await reviewAdmission(review, {
      policies: typeof options.policies === 'function' ? options.policies() : options.policies,
      source: options.source,
      now: options.clock.now(),
      signal: deadline.signal,
      ...(options.customWorkloads === undefined ? {} : { customWorkloads: options.customWorkloads }),
    });
    tell(record, options);
    return { status: 200, body: answer };
  } catch (error) {
    options.logger.warn({ error: messageOf(error) }, 'review not answered');
    const known = isWaybillError(error) ? error : new WaybillError('INTERNAL', 'the review failed', { cause: error });
    return { status: known.status, body: { error: known.toJSON() } };
  }
}

function tell(record: AdmissionRecord, { logger, onVerdict }: ServeAdmissionOptions): void {
  const { verdict, ...fields } = record;
  const line = { ...fields, decision: verdict.decision, rules: verdict.reasons.map((reason) => reason.rule) };
  if (verdict.decision === 'deny') logger.info(line, 'denied');
  else logger.debug(line, 'admitted');
  try {
    onVerdict?.(record);
  } catch (error) {
    logger.error({ error: messageOf(error), uid: record.uid }, 'verdict not recorded');
  }
}

/** Four fifths of the API server's `?timeout=10s`, so that the answer still arrives; unlimited when it names none. */
function askedTimeout(query: string): number {
  const match = /(?:^|&)timeout=([0-9]{1,6})(ms|s|m)(?:&|$)/.exec(query);
  if (!match) return Number.POSITIVE_INFINITY;
  const unit = match[2] === 'ms' ? 1 : match[2] === 's' ? 1_000 : 60_000;
  return Math.max(100, Number(match[1]) * unit * 0.8);
}

function send(response: ServerResponse, { status, body }: Reply, last: boolean): void {
  if (response.destroyed) return;
  // A text goes out with the headers in one write; bytes would take two.
  const text = JSON.stringify(body);
  // A refused body was not read to its end, so the connection cannot be used again.
  const close = last || status === 413 || status === 503 || status === 504 || !response.req.complete;
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...(close ? { connection: 'close' } : {}),
  });
  response.end(text);
}

function context({ cert, key }: ServingCertificate): { cert: string; key: string } {
  return { cert, key: key.reveal() };
}

async function listen(server: Server, host: string, port: number): Promise<AddressInfo> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).listen(port, host, resolve);
  await promise;
  server.off('error', reject);
  const address = server.address();
  if (address === null || typeof address === 'string') throw new WaybillError('INTERNAL', 'a TCP server has an address');
  return address;
}

async function drain(server: Server, milliseconds: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), milliseconds);
  await promise;
  clearTimeout(timer);
}
