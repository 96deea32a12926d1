import { PassThrough, type Duplex, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { extract } from 'tar-stream';
import { WaybillError, isWaybillError, messageOf } from '../../kernel/error.ts';

/** An entry of a layer (image-spec layer.md). */
export type LayerEntry = {
  /** Relative, with `/`, without leading `./`. */
  readonly path: string;
  readonly kind: 'file' | 'hard link' | 'other';
  /** Permission bits, set-uid and the like included. */
  readonly mode: number;
  readonly uid: number;
  readonly size: number;
  readonly link: string;
  /** Once, before the next entry is asked for; what is not read is passed over. */
  pieces(): AsyncIterable<Buffer>;
};

export type LayerLimits = { readonly bytes: number; readonly entries: number };

/** A decompression bomb ends here. */
export const layerLimits: LayerLimits = { bytes: 32 * 2 ** 30, entries: 2_000_000 };

/**
 * The entries of a layer, one after another, straight from the stream: nothing is unpacked to disk and memory does not grow with the layer.
 * @throws WaybillError INVALID_INPUT when it is no tar or not compressed as its type says, LIMIT_EXCEEDED; what the stream itself fails with
 */
export async function* layerEntries(
  blob: Readable,
  mediaType: string,
  signal: AbortSignal,
  limits = layerLimits,
): AsyncGenerator<LayerEntry> {
  const parser = extract();
  async function* counted(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let bytes = 0;
    for await (const chunk of chunks) {
      bytes += chunk.length;
      if (bytes > limits.bytes)
        throw new WaybillError('LIMIT_EXCEEDED', `the layer has more than ${limits.bytes} bytes when it is unpacked`);
      yield chunk;
    }
  }
  let failed: unknown;
  const flow = pipeline(blob, decompressor(mediaType), counted, parser, { signal }).catch((error: unknown) => {
    failed = error;
  });
  let entries = 0;
  try {
    for await (const entry of parser) {
      if (++entries > limits.entries) throw new WaybillError('LIMIT_EXCEEDED', `the layer has more than ${limits.entries} entries`);
      const { header } = entry;
      yield {
        path: header.name.replace(/^(?:\.?\/)+/, '').replace(/\/+$/, ''),
        kind: header.type === 'file' || header.type === 'contiguous-file' ? 'file' : header.type === 'link' ? 'hard link' : 'other',
        mode: (header.mode ?? 0) & 0o7777,
        uid: header.uid ?? 0,
        size: header.size ?? 0,
        link: (header.linkname ?? '').replace(/^(?:\.?\/)+/, ''),
        pieces: () => entry as AsyncIterable<Buffer>,
      };
      entry.resume();
    }
    await flow;
    if (failed !== undefined) throw failed;
  } catch (error) {
    signal.throwIfAborted();
    const reason = isWaybillError(error) ? error : failed;
    if (isWaybillError(reason)) throw reason;
    throw new WaybillError('INVALID_INPUT', `the layer cannot be read: ${messageOf(failed ?? error)}`, { cause: error });
  } finally {
    parser.destroy();
    blob.destroy();
    await flow;
  }
}

function decompressor(mediaType: string): Duplex {
  if (/[+.]gzip$/.test(mediaType)) return createGunzip();
  if (/[+.]zstd$/.test(mediaType)) return createZstdDecompress();
  if (/[.]tar$/.test(mediaType)) return new PassThrough();
  throw new WaybillError('INVALID_INPUT', `a layer of the media type ${mediaType} cannot be read`);
}
