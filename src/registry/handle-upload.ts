import { isContentDigest, type ContentDigest } from '../oci/content-digest.ts';
import { isRepositoryPath } from '../oci/reference.ts';
import { covers } from './access.ts';
import type { Exchange, Parts } from './exchange.ts';
import { ProtocolError } from './protocol-error.ts';
import { parseContentRange } from './range.ts';
import { wireDigest } from './route.ts';
import type { Upload } from './upload.ts';

/** Whoever sends fewer bytes at once, and all that are left, sends them again after a restart. */
const worthResuming = 2 ** 20;

/** POST `/blobs/uploads/`: mounts a blob, takes a whole one (`?digest=`), or starts an upload. */
export async function startUpload(parts: Parts, exchange: Exchange, repository: string): Promise<void> {
  if (exchange.method !== 'POST') throw new ProtocolError('UNSUPPORTED', 'An upload is started with POST', { headers: { allow: 'POST' } });
  parts.authority.demand(exchange.access, 'push', repository);
  const { query } = exchange;
  const mount = query.get('mount');
  if (mount !== null && (await mountBlob(parts, exchange, repository, mount, query.get('from')))) return;
  const digest = query.get('digest');
  const expected = digest === null ? undefined : wireDigest(digest);
  // What is known beforehand is refused beforehand; the rest when it is whole.
  await parts.quotas.demandRoom(repository, Number(exchange.request.headers['content-length'] ?? 0));
  const upload = await parts.uploads.start(repository);
  if (expected === undefined) return sendProgress(exchange, upload, 202);
  await complete(parts, exchange, upload, expected);
}

/** Requests to an upload's own URL; distribution-spec "Pushing a blob in chunks". */
export async function continueUpload(parts: Parts, exchange: Exchange, repository: string, id: string): Promise<void> {
  parts.authority.demand(exchange.access, 'push', repository);
  const upload = parts.uploads.find(repository, id);
  switch (exchange.method) {
    case 'GET':
      return sendProgress(exchange, upload, 204);
    case 'PATCH':
      return await patch(parts, exchange, upload);
    case 'PUT': {
      const digest = exchange.query.get('digest');
      if (digest === null) throw new ProtocolError('DIGEST_INVALID', 'The query must say ?digest=');
      return await complete(parts, exchange, upload, wireDigest(digest));
    }
    case 'DELETE': {
      using _held = upload.hold();
      parts.uploads.remove(upload);
      await upload.discard();
      exchange.response.writeHead(204).end();
      return;
    }
    default:
      throw new ProtocolError('UNSUPPORTED', 'An upload knows GET, PATCH, PUT and DELETE', {
        headers: { allow: 'GET, PATCH, PUT, DELETE' },
      });
  }
}

/**
 * True when it was done and answered. Without `from`, any repository that the token may pull (distribution-spec "Mounting a blob from
 * another repository"). A blob of a repository that it may not pull is as good as absent: nothing is told.
 */
async function mountBlob(parts: Parts, exchange: Exchange, repository: string, mount: string, from: string | null): Promise<boolean> {
  const { catalog, blobs, locks } = parts;
  const pull = exchange.access?.pull;
  if (!isContentDigest(mount) || pull === undefined) return false;
  if (from !== null && (!isRepositoryPath(from) || !covers(pull, from))) return false;
  using _lock = await locks.take(mount);
  const size = await (from === null ? catalog.findBlob(pull, mount) : catalog.blobSize(from, mount));
  if (size === undefined || (await blobs.size(mount)) !== size) return false;
  await catalog.addBlob(repository, mount, size);
  sendCreated(exchange, repository, mount);
  return true;
}

async function patch(parts: Parts, exchange: Exchange, upload: Upload): Promise<void> {
  using _held = upload.hold();
  await receive(parts, exchange, upload);
  sendProgress(exchange, upload, 202);
}

/** Takes the last (or only) bytes, checks the digest, and makes the blob one of the repository's. */
async function complete(parts: Parts, exchange: Exchange, upload: Upload, expected: ContentDigest): Promise<void> {
  using _held = upload.hold();
  try {
    await receive(parts, exchange, upload);
  } catch (error) {
    // A chunk that does not fit, or a connection that broke, leaves the upload as it was; the client may go on.
    if (exchange.method === 'POST') await drop(parts, upload);
    throw error;
  }
  parts.uploads.remove(upload);
  try {
    // The token may have ended, or have been taken back, while the bytes came.
    parts.authority.demand(exchange.access, 'push', upload.repository);
    await parts.quotas.demandRoom(upload.repository, upload.offset);
    const file = await upload.seal(expected);
    // Name and row together: a collection between them would take the file away.
    using _lock = await parts.locks.take(expected);
    await parts.blobs.adopt(file, expected);
    upload.handOver();
    await parts.catalog.addBlob(upload.repository, expected, upload.offset);
  } finally {
    await upload.discard();
  }
  sendCreated(exchange, upload.repository, expected);
}

async function receive(parts: Parts, exchange: Exchange, upload: Upload): Promise<void> {
  const { request } = exchange;
  const header = request.headers['content-range'];
  const declared = request.headers['content-length'] === undefined ? undefined : Number(request.headers['content-length']);
  const begin = upload.offset;
  const outOfOrder = (why: string) =>
    new ProtocolError('BLOB_UPLOAD_INVALID', why, { status: 416, headers: { range: rangeOf(upload), location: locationOf(upload) } });
  const range = header === undefined ? undefined : parseContentRange(header);
  if (header !== undefined && !range) throw outOfOrder('Content-Range must be start-end');
  if (range && range.start !== begin) throw outOfOrder(`The upload has ${begin} bytes; the next chunk must start there`);
  const length = range && range.end - range.start + 1;
  if (length !== undefined && declared !== undefined && declared !== length)
    throw new ProtocolError('SIZE_INVALID', `Content-Range names ${length} bytes, Content-Length ${declared}`);
  if (begin + (declared ?? 0) > parts.limits.blobBytes)
    throw new ProtocolError('SIZE_INVALID', `A blob has at most ${parts.limits.blobBytes} bytes here`, { status: 413 });
  try {
    {
      using _reading = exchange.atWork();
      await upload.ready(request.method === 'PATCH' || (request.method === 'PUT' && !(declared !== undefined && declared < worthResuming)));
    }
    exchange.signal.throwIfAborted();
    using share = parts.memory.take();
    await upload.append(request, share.bytes, exchange.signal);
  } finally {
    parts.uploads.touch(upload);
    if (upload.broken) await drop(parts, upload);
  }
  if (length !== undefined && upload.offset - begin !== length) {
    await drop(parts, upload);
    throw new ProtocolError('SIZE_INVALID', `Content-Range names ${length} bytes, ${upload.offset - begin} came`);
  }
}

async function drop(parts: Parts, upload: Upload): Promise<void> {
  parts.uploads.remove(upload);
  await upload.discard();
}

const locationOf = (upload: Upload) => `/v2/${upload.repository}/blobs/uploads/${upload.id}`;
const rangeOf = (upload: Upload) => `0-${Math.max(0, upload.offset - 1)}`;

function sendProgress(exchange: Exchange, upload: Upload, status: 202 | 204): void {
  const headers = { location: locationOf(upload), range: rangeOf(upload), 'docker-upload-uuid': upload.id };
  exchange.response.writeHead(status, status === 202 ? { ...headers, 'content-length': 0 } : headers).end();
}

function sendCreated(exchange: Exchange, repository: string, digest: ContentDigest): void {
  const headers = { location: `/v2/${repository}/blobs/${digest}`, 'docker-content-digest': digest, 'content-length': 0 };
  exchange.response.writeHead(201, headers).end();
}
