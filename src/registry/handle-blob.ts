import type { ContentDigest } from '../oci/content-digest.ts';
import type { Exchange, Parts } from './exchange.ts';
import { ProtocolError } from './protocol-error.ts';
import { parseRange } from './range.ts';
import { sendFile } from './send-file.ts';

/** Up to this size a blob is read in one piece and sent with its header. */
const smallBytes = 64 * 1024;

/** GET, HEAD and DELETE of a blob; distribution-spec "Pulling blobs", with one byte range. */
export async function handleBlob(parts: Parts, exchange: Exchange, repository: string, digest: ContentDigest): Promise<void> {
  const { response, method } = exchange;
  if (method === 'DELETE') return await remove(parts, exchange, repository, digest);
  if (method !== 'GET' && method !== 'HEAD')
    throw new ProtocolError('UNSUPPORTED', 'A blob knows GET and HEAD, and DELETE where deletion is on', {
      headers: { allow: 'GET, HEAD' },
    });
  parts.authority.demand(exchange.access, 'pull', repository);
  // Who pushes here will rely on the answer: the lease comes before the look, and the look goes past the memory.
  const pusher = exchange.access?.push === repository;
  if (pusher) parts.leases.touch(repository, digest, parts.clock.now().getTime());
  const size = await parts.catalog.blobSize(repository, digest, { fresh: pusher });
  const unknown = () => new ProtocolError('BLOB_UNKNOWN', 'This repository has no such blob', { detail: { digest } });
  if (size === undefined) throw unknown();
  const headers = {
    'content-type': 'application/octet-stream',
    'docker-content-digest': digest,
    etag: `"${digest}"`,
    'accept-ranges': 'bytes',
    'cache-control': 'private, max-age=31536000, immutable',
  };

  if (method === 'HEAD') {
    const actual = await parts.blobs.size(digest);
    if (actual === undefined) throw unknown();
    if (actual !== size) throw damaged(parts, digest, size, actual);
    response.writeHead(200, { ...headers, 'content-length': size }).end();
    return;
  }

  const file = await parts.blobs.read(digest);
  if (!file) throw unknown();
  await using handle = file;
  const actual = (await handle.stat()).size;
  if (actual !== size) throw damaged(parts, digest, size, actual);
  const range = parseRange(exchange.request.headers.range, size);
  if (range === 'unsatisfiable')
    throw new ProtocolError('SIZE_INVALID', 'The range is outside of the blob', {
      status: 416,
      headers: { 'content-range': `bytes */${size}` },
    });
  const start = range?.start ?? 0;
  const length = range ? range.end - range.start + 1 : size;
  const answer = {
    ...headers,
    'content-length': length,
    ...(range ? { 'content-range': `bytes ${range.start}-${range.end}/${size}` } : {}),
  };
  if (length <= smallBytes) {
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length, start);
    if (bytesRead !== length) throw damaged(parts, digest, size, bytesRead);
    response.writeHead(range ? 206 : 200, answer).end(buffer);
    return;
  }
  response.writeHead(range ? 206 : 200, answer);
  using share = parts.memory.take();
  const sent = await sendFile(handle, response, { start, length, bufferBytes: 2 * share.bytes, signal: exchange.signal });
  if (sent !== length) throw damaged(parts, digest, size, start + sent);
}

async function remove(parts: Parts, exchange: Exchange, repository: string, digest: ContentDigest): Promise<void> {
  parts.authority.demand(exchange.access, 'push', repository);
  if (!parts.deletion)
    throw new ProtocolError('UNSUPPORTED', 'This registry deletes nothing on request', { headers: { allow: 'GET, HEAD' } });
  if (!(await parts.catalog.deleteBlob(repository, digest)))
    throw new ProtocolError('BLOB_UNKNOWN', 'This repository has no such blob', { detail: { digest } });
  exchange.response.writeHead(202, { 'content-length': 0 }).end();
}

function damaged(parts: Parts, digest: ContentDigest, expected: number, actual: number): ProtocolError {
  parts.logger.error({ digest, expected, actual }, 'A blob on disk has another size than when it was pushed');
  return new ProtocolError('UNKNOWN', `The blob ${digest} is damaged on the disk of the registry`);
}
