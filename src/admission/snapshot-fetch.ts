import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { WaybillError } from '../kernel/error.ts';
import type { Secret } from '../kernel/secret.ts';
import { readSnapshotCopy } from './snapshot-copy.ts';

export type SnapshotFetch = (signal: AbortSignal) => Promise<Uint8Array | undefined>;

const defaultBytes = 64 * 1024 * 1024;

/** Reads the snapshot from a file that something else puts there. */
export function snapshotFromFile(file: string, bytes: number = defaultBytes): SnapshotFetch {
  return async (signal) => {
    signal.throwIfAborted();
    const content = await readSnapshotCopy(file, bytes);
    if (content === undefined) throw new WaybillError('NOT_FOUND', `there is no snapshot at ${file}`);
    return content;
  };
}

export type SnapshotUrlOptions = {
  readonly token?: Secret;
  /** PEM of the authority to trust instead of the system's. */
  readonly ca?: string;
  readonly bytes?: number;
};

/**
 * Gets the snapshot from a server, asking only for a newer one (`If-None-Match`). Redirects are not followed. The content
 * is believed for its signature, not for the connection.
 */
export function snapshotFromUrl(url: URL, options: SnapshotUrlOptions = {}): SnapshotFetch {
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new WaybillError('INVALID_INPUT', `${url.protocol} is not http: or https:`);
  const bytes = options.bytes ?? defaultBytes;
  let etag: string | undefined;
  return async (signal) => {
    const headers: Record<string, string> = { accept: 'application/json', 'user-agent': 'waybill-admission' };
    if (etag !== undefined) headers['if-none-match'] = etag;
    if (options.token) headers['authorization'] = `Bearer ${options.token.reveal()}`;
    const response = await send(url, { headers, signal, ...(options.ca === undefined ? {} : { ca: options.ca }) });
    if (response.statusCode === 304 && etag !== undefined) {
      response.resume();
      return undefined;
    }
    if (response.statusCode !== 200) {
      response.destroy();
      throw new WaybillError('NOT_FOUND', `${url.origin}${url.pathname} answered ${response.statusCode} instead of a snapshot`);
    }
    const content = await readLimited(response, bytes);
    etag = response.headers.etag;
    return content;
  };
}

async function send(url: URL, options: RequestOptions & { ca?: string }): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = url.protocol === 'https:' ? httpsRequest(url, options) : httpRequest(url, options);
  request.once('response', resolve).on('error', reject).end();
  return promise;
}

async function readLimited(response: IncomingMessage, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response) {
    if (!(chunk instanceof Uint8Array)) throw new WaybillError('INTERNAL', 'a stream without encoding gives bytes');
    size += chunk.length;
    if (size > limit) {
      response.destroy();
      throw new WaybillError('LIMIT_EXCEEDED', `the snapshot has more than ${limit} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
