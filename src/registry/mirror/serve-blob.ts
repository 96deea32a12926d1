import type { ServerResponse } from 'node:http';
import type { ContentDigest } from '../../oci/content-digest.ts';
import type { Exchange, Parts } from '../exchange.ts';
import { ProtocolError } from '../protocol-error.ts';
import { parseRange } from '../range.ts';
import { sendFile } from '../send-file.ts';
import type { BlobSource } from './download.ts';
import { whyFailed } from './fetches.ts';
import type { Mirrors } from './mirror.ts';
import type { Mirror } from './mirrored.ts';
import { toProtocolError } from './outcome.ts';

/** So small a blob is waited for, so that a failure has a status. */
const smallBytes = 64 * 1024;

/** GET and HEAD of a blob, out of the file or while it comes. */
export async function serveBlob(
  parts: Pick<Parts, 'memory'>,
  mirrors: Mirrors,
  exchange: Exchange,
  { mirror, repository }: { readonly mirror: Mirror; readonly repository: string },
  digest: ContentDigest,
): Promise<void> {
  const { response, request, method } = exchange;
  const unknown = { server: mirror.server, code: 'BLOB_UNKNOWN' } as const;
  const headers = {
    'content-type': 'application/octet-stream',
    'docker-content-digest': digest,
    etag: `"${digest}"`,
    'accept-ranges': 'bytes',
    'cache-control': 'private, max-age=31536000, immutable',
  };
  if (method === 'HEAD') {
    const size = await mirrors.blobSize(mirror, repository, digest);
    if (size.kind !== 'found') throw toProtocolError(size, unknown);
    response.writeHead(200, { ...headers, ...(size.value === undefined ? {} : { 'content-length': size.value }) }).end();
    return;
  }

  const outcome = await mirrors.blob(mirror, repository, digest);
  if (outcome.kind !== 'found') throw toProtocolError(outcome, unknown);
  await using source = outcome.value.source;
  using gone = whileThere(response, exchange.signal);
  const { signal } = gone;
  let { size } = source;
  const ranged = request.headers.range !== undefined;
  const failed = (error: unknown) => (signal.aborted ? error : toProtocolError(whyFailed(error), unknown));
  try {
    // Without a size there is no range, and a small one is soon here.
    if ((size === undefined && ranged) || (size ?? Number.POSITIVE_INFINITY) <= smallBytes) size = await whole(source, signal);
  } catch (error) {
    throw failed(error);
  }
  const range = size === undefined ? undefined : parseRange(request.headers.range, size);
  if (range === 'unsatisfiable')
    throw new ProtocolError('SIZE_INVALID', 'The range is outside of the blob', {
      status: 416,
      headers: { 'content-range': `bytes */${size}` },
    });
  const start = range?.start ?? 0;
  try {
    // What breaks off before there is anything to send has a status, too.
    await source.ready(start, signal);
  } catch (error) {
    throw failed(error);
  }
  const end = range ? range.end + 1 : (size ?? Number.POSITIVE_INFINITY);
  response.writeHead(range ? 206 : 200, {
    ...headers,
    'cache-status': outcome.value.how === 'hit' ? 'waybill; hit' : 'waybill; fwd=miss; stored',
    ...(size === undefined ? {} : { 'content-length': end - start }),
    ...(range ? { 'content-range': `bytes ${range.start}-${range.end}/${size}` } : {}),
  });
  using share = parts.memory.take();
  if (outcome.value.how === 'fetched') return await pour(source, response, { start, end, bufferBytes: share.bytes, signal });
  const sent = await sendFile(source.handle, response, { start, length: end - start, bufferBytes: share.bytes, signal });
  if (sent !== end - start) throw new ProtocolError('UNKNOWN', 'The disk of the registry lost a part of the blob');
}

async function pour(
  source: BlobSource,
  response: ServerResponse,
  {
    start,
    end,
    bufferBytes,
    signal,
  }: { readonly start: number; readonly end: number; readonly bufferBytes: number; readonly signal: AbortSignal },
): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(bufferBytes, end - start) || 1);
  for (let at = start; at < end;) {
    const ready = await source.ready(at, signal);
    if (ready === 0) break;
    const { bytesRead } = await source.handle.read(buffer, 0, Math.min(ready, end - at, buffer.length), at);
    if (bytesRead === 0) throw new ProtocolError('UNKNOWN', 'The disk of the registry lost a part of the blob');
    at += bytesRead;
    await write(response, buffer.subarray(0, bytesRead), signal);
  }
  response.end();
}

/** Its size, once all of it is there. */
async function whole(source: BlobSource, signal: AbortSignal): Promise<number> {
  for (let at = 0; ;) {
    const more = await source.ready(at, signal);
    if (more === 0) return at;
    at += more;
  }
}

/** Resolves when the piece is out of the process: the buffer is used again. */
function write(response: ServerResponse, piece: Buffer, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stop = () => reject(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  response.write(piece, (error) => (error ? reject(error) : resolve()));
  return promise.finally(() => signal.removeEventListener('abort', stop));
}

/** Aborts when the client is gone, besides what `signal` says. */
function whileThere(response: ServerResponse, signal: AbortSignal): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const gone = () => controller.abort(new Error('The client went away'));
  if (response.destroyed) gone();
  response.once('close', gone);
  return { signal: AbortSignal.any([signal, controller.signal]), [Symbol.dispose]: () => response.off('close', gone) };
}
