import { WaybillError, isWaybillError, messageOf } from '../../kernel/error.ts';
import { withDeadline } from '../../kernel/deadline.ts';
import type { CallOptions, Endpoint, EndpointReply } from '../port.ts';
import type { PodMeta } from './translate.ts';

const maxBytes = 16 * 1024 * 1024;
const timeoutMs = 30_000;

/** The published ports of a pod. */
export function localEndpoints(id: string, meta: PodMeta): Endpoint[] {
  return meta.ports.map(({ port, hostPort }) => {
    const url = `http://127.0.0.1:${hostPort}`;
    return { name: `pod/${id}`, port, url, get: (path, options) => get(url, path, options ?? {}) };
  });
}

async function get(url: string, path: string, { signal: parent }: CallOptions): Promise<EndpointReply> {
  if (!path.startsWith('/')) throw new WaybillError('INVALID_INPUT', 'a path begins with /');
  using deadline = withDeadline(parent, timeoutMs, `GET ${path}`);
  try {
    const response = await fetch(url + path, { signal: deadline.signal, redirect: 'manual' });
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > maxBytes) throw new WaybillError('LIMIT_EXCEEDED', `the answer to GET ${path} is larger than 16 MiB`);
      chunks.push(chunk);
    }
    return { status: response.status, headers: Object.fromEntries(response.headers), body: Buffer.concat(chunks) };
  } catch (cause) {
    if (isWaybillError(cause)) throw cause;
    if (isWaybillError(deadline.signal.reason)) throw deadline.signal.reason;
    throw new WaybillError('ENGINE_FAILED', `GET ${url}${path}: ${messageOf(cause instanceof Error ? (cause.cause ?? cause) : cause)}`, {
      cause,
    });
  }
}
