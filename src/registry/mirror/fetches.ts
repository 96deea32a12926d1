import { rm } from 'node:fs/promises';
import type { KeyedLock } from '../../kernel/keyed-lock.ts';
import type { Logger } from '../../kernel/logger.ts';
import { isWaybillError, messageOf, WaybillError } from '../../kernel/error.ts';
import type { ContentDigest } from '../../oci/content-digest.ts';
import type { HttpResponse } from '../../oci/transport.ts';
import type { BlobStore } from '../blob-store.ts';
import { ProtocolError } from '../protocol-error.ts';
import { Download, wholeBlob, type BlobSource } from './download.ts';
import type { Mirror } from './mirrored.ts';
import { found, type Outcome } from './outcome.ts';
import type { Readers } from './readers.ts';
import type { Room } from './room.ts';
import type { Shelf } from './shelf.ts';
import { sizeOf, type Upstream } from './upstream.ts';

export type FoundBlob = { readonly source: BlobSource; readonly how: 'hit' | 'fetched' };

/** Blobs of the cache, and those on their way into it: each is fetched once, however many wait for it. */
export type Fetches = AsyncDisposable & {
  /** Dispose the source. @throws ProtocolError when there is no room */
  open(mirror: Mirror, upstream: Upstream, repository: string, digest: ContentDigest): Promise<Outcome<FoundBlob>>;
};

const mostAtOnce = 256;

export function openFetches(parts: {
  readonly shelf: Shelf;
  readonly blobs: BlobStore;
  readonly locks: KeyedLock<string>;
  readonly readers: Readers;
  readonly room: Room;
  readonly maxBytes: number;
  readonly logger: Logger;
}): Fetches {
  const { shelf, blobs, locks, readers, room, logger } = parts;
  const running = new Map<string, Promise<Outcome<Download>>>();
  const filling = new Set<Promise<void>>();
  /** Bytes that were announced and have no row yet, by server. */
  const coming = new Map<string, number>();
  const expect = (server: string, bytes: number) => coming.set(server, (coming.get(server) ?? 0) + bytes);

  async function openWhole(server: string, digest: ContentDigest): Promise<BlobSource | undefined> {
    using _held = await locks.take(digest);
    const size = await shelf.blob(server, digest);
    if (size === undefined) return undefined;
    const handle = await blobs.read(digest);
    if (handle && (await handle.stat()).size === size) return wholeBlob(handle, size, readers.add(digest));
    // A backup has no cache, and a disk may lose something: it is fetched again.
    await handle?.close();
    await shelf.dropBlob(server, digest);
    logger.warn({ server, digest }, 'A cached blob is not on the disk as it was stored; it is fetched again');
    return undefined;
  }

  async function begin(
    key: string,
    mirror: Mirror,
    upstream: Upstream,
    repository: string,
    digest: ContentDigest,
  ): Promise<Outcome<Download>> {
    const answer = await upstream.blob(repository, digest);
    if (answer.kind !== 'found') return answer;
    const response = answer.value;
    // It may break off before somebody reads it.
    response.body.on('error', () => undefined);
    const size = sizeOf(response);
    const { server, quotaBytes } = mirror;
    try {
      if (size !== undefined && size > parts.maxBytes) throw tooLarge(mirror, `it has ${size} bytes, the registry takes ${parts.maxBytes}`);
      const { enough } = await room.make(server, quotaBytes, (size ?? 0) + (coming.get(server) ?? 0));
      if (!enough)
        throw tooLarge(
          mirror,
          `${size ?? 'its'} bytes do not fit into the cache of ${mirror.name} (${quotaBytes} bytes), or the disk is nearly full`,
        );
      const file = await blobs.create();
      const download = new Download(file, { digest, size, maxBytes: Math.min(parts.maxBytes, quotaBytes) });
      expect(server, size ?? 0);
      const filled = fill(key, mirror, repository, digest, download, response);
      filling.add(filled);
      void filled.finally(() => filling.delete(filled));
      return found(download);
    } catch (error) {
      response.body.destroy();
      throw error;
    }
  }

  /** Never rejects: who waits is told by the download. */
  async function fill(
    key: string,
    { server, name, quotaBytes }: Mirror,
    repository: string,
    digest: ContentDigest,
    download: Download,
    response: HttpResponse,
  ): Promise<void> {
    try {
      await download.fill(bodyOf(response));
      {
        using _held = await locks.take(digest);
        await blobs.adopt(download.path, digest);
        await shelf.putBlob(server, digest, download.written);
      }
      running.delete(key);
      await download.finish();
      logger.info({ mirror: name, repository, digest, bytes: download.written }, 'A blob was fetched into the cache');
      if (download.size === undefined) await room.make(server, quotaBytes, 0);
    } catch (error) {
      running.delete(key);
      response.body.destroy();
      const lied = isWaybillError(error, 'DIGEST_MISMATCH', 'LIMIT_EXCEEDED');
      const told = { mirror: name, server, repository, digest, error: messageOf(error) };
      if (lied) logger.error(told, 'An upstream gave something else than what was asked for; nothing of it was kept');
      else logger.warn(told, 'A blob could not be fetched into the cache; nothing of it was kept');
      try {
        await download.fail(error);
        await rm(download.path, { force: true });
      } catch (cause) {
        logger.error({ path: download.path, error: messageOf(cause) }, 'What was fetched could not be removed; the next start does it');
      }
    } finally {
      expect(server, -(download.size ?? 0));
    }
  }

  return {
    async open(mirror, upstream, repository, digest) {
      const key = `${mirror.server}@${digest}`;
      // It may be done and closed between two looks; then it has its name.
      for (let looks = 0; looks < 3; looks++) {
        const whole = await openWhole(mirror.server, digest);
        if (whole) return found({ source: whole, how: 'hit' });
        let one = running.get(key);
        if (!one) {
          if (running.size >= mostAtOnce)
            throw new ProtocolError('TOOMANYREQUESTS', `${mostAtOnce} blobs are being fetched already`, {
              headers: { 'retry-after': '5' },
            });
          one = begin(key, mirror, upstream, repository, digest);
          running.set(key, one);
          void forgetUnlessFound(key, one);
        }
        const outcome = await one;
        if (outcome.kind !== 'found') return outcome;
        const source = openOrWhy(outcome.value);
        if (source && 'kind' in source) return source;
        if (source) return found({ source, how: 'fetched' });
      }
      return { kind: 'down', why: 'the blob came and went' };
    },
    async [Symbol.asyncDispose]() {
      await Promise.allSettled(running.values());
      await Promise.allSettled(filling);
    },
  };

  async function forgetUnlessFound(key: string, one: Promise<Outcome<Download>>): Promise<void> {
    const [settled] = await Promise.allSettled([one]);
    const going = settled.status === 'fulfilled' && settled.value.kind === 'found';
    if (!going && running.get(key) === one) running.delete(key);
  }
}

function openOrWhy(download: Download): BlobSource | undefined | Exclude<Outcome<never>, { kind: 'found' }> {
  try {
    return download.open();
  } catch (error) {
    return whyFailed(error);
  }
}

/** What a broken-off fetch is to a client that has got nothing yet. @throws anything that is not the upstream's fault */
export function whyFailed(error: unknown): Exclude<Outcome<never>, { kind: 'found' }> {
  if (isWaybillError(error, 'DIGEST_MISMATCH', 'LIMIT_EXCEEDED')) return { kind: 'wrong', why: error.detail };
  if (error instanceof WaybillError) return { kind: 'down', why: error.detail };
  throw error;
}

/** What breaks off is told with its reason; what the disk refuses is not mixed up with it. */
async function* bodyOf(response: HttpResponse): AsyncGenerator<Buffer> {
  const body: AsyncIterable<Buffer> = response.body;
  const chunks = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      let next: IteratorResult<Buffer>;
      try {
        next = await chunks.next();
      } catch (cause) {
        throw response.explain(cause);
      }
      if (next.done) return;
      yield next.value;
    }
  } finally {
    response.body.destroy();
  }
}

function tooLarge(mirror: Mirror, why: string): ProtocolError {
  return new ProtocolError('UNKNOWN', `A blob of ${mirror.server} is not cached: ${why}`, { status: 507 });
}
