import { createHash } from 'node:crypto';
import { PassThrough, type Duplex, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { extract, type Header } from 'tar-stream';
import type { Digest } from '../../kernel/digest.ts';
import { zstdFrames } from '../../oci/zstd-frames.ts';
import { WaybillError, isWaybillError, messageOf } from '../../kernel/error.ts';

/** A file of a layer as the tar has it. */
export type LayerFile = {
  readonly path: string;
  readonly type: string;
  /** Permission bits, set-uid and the like included. */
  readonly mode: number;
  readonly owner: string;
  /** ISO time. */
  readonly mtime: string;
  /** Bytes. */
  readonly size: number;
  /** Of the content; of nothing for what has none. */
  readonly content: Digest;
  /** Target of a symbolic or a hard link. */
  readonly link: string;
  /** Extended attributes and other pax records that say more than the fields above; sorted. */
  readonly extra: string;
};

export type LayerContent = {
  /** By path, in the order of the tar. */
  readonly files: ReadonlyMap<string, LayerFile>;
  /** Of the uncompressed tar. */
  readonly diffId: Digest;
  /** A path that stands twice: the later one is kept, and the tar is not as a careful tool writes it. */
  readonly twice: readonly string[];
};

export type ReadLimits = { readonly bytes: number; readonly entries: number };

/** A decompression bomb ends here: bytes of the uncompressed tar, and entries. */
export const readLimits: ReadLimits = { bytes: 32 * 2 ** 30, entries: 2_000_000 };

/** pax records that the fields of LayerFile hold already. */
const ordinary = new Set(['path', 'linkpath', 'size', 'mtime', 'uid', 'gid', 'uname', 'gname', 'atime', 'ctime']);

/**
 * Reads a layer once, hashing each file; nothing is written anywhere.
 * @param mediaType says how it is compressed
 * @throws WaybillError INVALID_INPUT when it is no tar, LIMIT_EXCEEDED
 */
export async function readLayer(blob: Readable, mediaType: string, signal: AbortSignal, limits = readLimits): Promise<LayerContent> {
  const files = new Map<string, LayerFile>();
  const twice: string[] = [];
  const whole = createHash('sha256');
  const parser = extract();
  const consumed = (async () => {
    for await (const entry of parser) {
      const hash = createHash('sha256');
      for await (const chunk of entry as AsyncIterable<Buffer>) hash.update(chunk);
      const file = fileOf(entry.header, `sha256:${hash.digest('hex')}` as Digest);
      if (files.has(file.path)) twice.push(file.path);
      files.set(file.path, file);
      if (files.size > limits.entries) throw new WaybillError('LIMIT_EXCEEDED', `the layer has more than ${limits.entries} files`);
    }
  })();
  consumed.catch(() => undefined); // awaited below
  async function* counted(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let bytes = 0;
    for await (const chunk of chunks) {
      bytes += chunk.length;
      if (bytes > limits.bytes)
        throw new WaybillError('LIMIT_EXCEEDED', `the layer has more than ${limits.bytes} bytes when it is unpacked`);
      whole.update(chunk);
      yield chunk;
    }
  }
  const [packed, unpacked] = await Promise.allSettled([
    /[+.]zstd$/.test(mediaType)
      ? pipeline(blob, zstdFrames, createZstdDecompress(), counted, parser, { signal })
      : pipeline(blob, decompressor(mediaType), counted, parser, { signal }),
    consumed,
  ] as const);
  signal.throwIfAborted();
  const errors = [unpacked, packed].flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
  const error = errors.find((each) => isWaybillError(each)) ?? errors[0];
  if (error !== undefined)
    throw isWaybillError(error)
      ? error
      : new WaybillError('INVALID_INPUT', `the layer cannot be read: ${messageOf(error)}`, { cause: error });
  return { files, diffId: `sha256:${whole.digest('hex')}` as Digest, twice };
}

function decompressor(mediaType: string): Duplex {
  if (/[+.]gzip$/.test(mediaType)) return createGunzip();
  if (/[.]tar$/.test(mediaType)) return new PassThrough();
  throw new WaybillError('INVALID_INPUT', `a layer of the media type ${mediaType} cannot be read`);
}

function fileOf(header: Header, content: Digest): LayerFile {
  const more = Object.entries(Object(header.pax) as Record<string, unknown>).filter(([key]) => !ordinary.has(key));
  const device = header.type?.endsWith('-device') ? [`device=${header.devmajor}:${header.devminor}`] : [];
  return {
    path: `/${header.name.replace(/^(?:\.?\/)+/, '').replace(/\/$/, '')}`,
    type: header.type ?? 'file',
    mode: (header.mode ?? 0) & 0o7777,
    owner: `${header.uid ?? 0}:${header.gid ?? 0}`,
    mtime: (header.mtime ?? new Date(0)).toISOString(),
    size: header.size ?? 0,
    content,
    link: header.linkname ?? '',
    extra: [...more.map(([key, value]) => `${key}=${String(value)}`), ...device].sort().join(' '),
  };
}
