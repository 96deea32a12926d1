import { Agent, request, type RequestOptions } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { KubeConfig } from '@kubernetes/client-node';
import { WaybillError, isWaybillError, messageOf } from '../kernel/error.ts';
import { failureOf } from './failure.ts';

export type Call = {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Path and query on the API server. */
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal: AbortSignal;
};

export type Reply = { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: Buffer };

/** HTTPS to the API server with the authentication of the kubeconfig. */
export type Transport = Disposable & {
  /** Resolves when the head of the response is there; the caller reads or destroys it. */
  open(call: Call): Promise<IncomingMessage>;
  /** The whole response, whatever its status; at most `maxBytes`. */
  exchange(call: Call, maxBytes?: number): Promise<Reply>;
  /** Parsed JSON of a 2xx response; anything else becomes the error that the API server's Status describes. */
  json(call: Call): Promise<unknown>;
};

const defaultMaxBytes = 64 * 1024 * 1024;

export function openTransport(config: KubeConfig): Transport {
  const server = new URL(config.getCurrentCluster()?.server ?? '');
  const prefix = server.pathname.replace(/\/$/, '');
  const own: Agent[] = [];

  async function open(call: Call): Promise<IncomingMessage> {
    const payload = call.body === undefined ? undefined : Buffer.from(JSON.stringify(call.body));
    const options: RequestOptions = {
      method: call.method,
      hostname: server.hostname.replace(/^\[|\]$/g, ''),
      port: server.port === '' ? 443 : Number(server.port),
      path: prefix + call.path,
      signal: call.signal,
    };
    await config.applyToHTTPSOptions(options);
    if (options.agent instanceof Agent && !own.includes(options.agent)) own.push(options.agent);
    options.headers = {
      ...(options.headers as Record<string, string> | undefined),
      accept: 'application/json',
      'user-agent': 'waybill',
      ...(payload && { 'content-type': call.contentType ?? 'application/json', 'content-length': payload.length }),
    };
    return await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = request(options, resolve);
      sent.on('error', (cause) => reject(unreachable(server, call.signal, cause)));
      sent.end(payload);
    });
  }

  async function exchange(call: Call, maxBytes = defaultMaxBytes): Promise<Reply> {
    const response = await open(call);
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > maxBytes) throw new WaybillError('LIMIT_EXCEEDED', `the answer of the API server is larger than ${maxBytes} bytes`);
        chunks.push(chunk);
      }
    } catch (cause) {
      throw isWaybillError(cause) ? cause : unreachable(server, call.signal, cause);
    }
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(response.headers)) headers[name] = Array.isArray(value) ? value.join(', ') : (value ?? '');
    return { status: response.statusCode ?? 0, headers, body: Buffer.concat(chunks) };
  }

  return {
    open,
    exchange,
    async json(call) {
      const reply = await exchange(call);
      const text = reply.body.toString('utf8');
      if (reply.status < 200 || reply.status > 299) throw failureOf(reply.status, text);
      try {
        return JSON.parse(text) as unknown;
      } catch (cause) {
        throw new WaybillError('CLUSTER_FAILED', `the API server ${server.host} answered with something that is not JSON`, { cause });
      }
    },
    [Symbol.dispose]() {
      for (const agent of own) agent.destroy();
    },
  };
}

/** What an abort means is in the signal's reason; everything else is a network failure. */
function unreachable(server: URL, signal: AbortSignal, cause: unknown): WaybillError {
  if (signal.aborted) {
    if (isWaybillError(signal.reason)) return signal.reason;
    return new WaybillError('CANCELLED', 'the request to the cluster was cancelled', { cause });
  }
  return new WaybillError('CLUSTER_FAILED', `the API server ${server.host} cannot be reached: ${messageOf(cause)}`, {
    cause,
    fix: 'Check that the cluster is up, its address and its certificate authority in the kubeconfig.',
  });
}
