import path from 'node:path';
import { PassThrough, type Duplex, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { WaybillError, isWaybillError, messageOf } from '../../kernel/error.ts';
import { inPieces } from '../tree-source.ts';
import { zstdFrames } from '../../oci/zstd-frames.ts';
import { tarEntries, type TarHeader } from '../tar-entries.ts';

/** An entry of a layer (image-spec layer.md). */
export type LayerEntry = Omit<TarHeader, 'name'> & {
  /** From the image's root, with `/` and without `.` and `..`; empty: the root itself. */
  readonly path: string;
  /** Once, before the next entry is asked for, in pieces of `pieceBytes` but for the last; what is not read is passed over. */
  pieces(): AsyncIterable<Buffer>;
};

/** What the layers of an image may still unpack to. */
export type LayerBudget = {
  bytes: number;
  entries: number;
  /** Bytes of the lists of which package has which file, which are held to the end. Those beyond are not used. */
  lists?: number;
};

/** A decompression bomb ends here: several times the largest images that are known. */
export const imageBudget: Readonly<LayerBudget> = { bytes: 64 * 2 ** 30, entries: 10_000_000, lists: 64 * 2 ** 20 };

/** PATH_MAX of Linux: no runtime makes a longer one. */
const longestPath = 4096;
/** Threads unpack this far ahead of what is looked at. */
const ahead = { chunkSize: 256 * 1024, readableHighWaterMark: 4 * 1024 * 1024 };

/**
 * The entries of a layer, one after another, straight from the stream: nothing is unpacked to disk and memory does not grow with the layer.
 * @throws WaybillError INVALID_INPUT when it is no tar or not compressed as its type says, LIMIT_EXCEEDED; what the signal aborts with
 */
export async function* layerEntries(
  blob: Readable,
  mediaType: string,
  signal: AbortSignal,
  budget: LayerBudget = { ...imageBudget },
): AsyncGenerator<LayerEntry> {
  const unpacked = decompressor(mediaType);
  let failed: unknown;
  const flow = (isZstd(mediaType) ? pipeline(blob, zstdFrames, unpacked, { signal }) : pipeline(blob, unpacked, { signal })).catch(
    (error: unknown) => {
      failed = error;
    },
  );
  const explained = (error: unknown): unknown => {
    if (signal.aborted) return signal.reason;
    if (isWaybillError(error, 'LIMIT_EXCEEDED')) return error;
    // What the stream says of itself tells more than that it ended.
    const reason = isWaybillError(failed) ? failed : error;
    if (isWaybillError(reason) && !isWaybillError(reason, 'INVALID_INPUT')) return reason;
    return new WaybillError('INVALID_INPUT', `the layer cannot be read: ${messageOf(reason)}`, { cause: error });
  };
  let bytes = 0;
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const chunk of unpacked as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      budget.bytes -= chunk.length;
      if (budget.bytes < 0) throw new WaybillError('LIMIT_EXCEEDED', 'the layers of the image unpack to more bytes than are read');
      yield chunk;
    }
  }
  try {
    for await (const { name, content, ...header } of tarEntries(counted())) {
      if (--budget.entries < 0) throw new WaybillError('LIMIT_EXCEEDED', 'the layers of the image have more entries than are read');
      if (name.length > longestPath) throw new WaybillError('INVALID_INPUT', `a path of more than ${longestPath} bytes`);
      yield { ...header, path: rooted(name), pieces: () => inPieces(explaining(content(), explained)) };
    }
    await flow;
    if (failed !== undefined) throw failed;
    if (bytes === 0) throw new WaybillError('INVALID_INPUT', 'it is empty');
  } catch (error) {
    throw explained(error);
  } finally {
    unpacked.destroy();
    blob.destroy();
    await flow;
  }
}

/** As if the image's root were the root: nothing leads out of it. */
export function rooted(name: string): string {
  return path.posix.normalize(`/${name}`).replace(/^\/+|\/+$/g, '');
}

/** Errors of the stream alone: what whoever reads throws is theirs, and the stream stays open for the next entry. */
async function* explaining(chunks: AsyncIterable<Buffer>, explained: (error: unknown) => unknown): AsyncGenerator<Buffer> {
  const iterator = chunks[Symbol.asyncIterator]();
  for (;;) {
    const next = await iterator.next().catch((error: unknown) => {
      throw explained(error);
    });
    if (next.done) return;
    yield next.value;
  }
}

const isZstd = (mediaType: string) => /[+.]zstd$/.test(mediaType);

function decompressor(mediaType: string): Duplex {
  if (/[+.]gzip$/.test(mediaType)) return createGunzip(ahead);
  if (isZstd(mediaType)) return createZstdDecompress(ahead);
  if (/[.]tar$/.test(mediaType)) return new PassThrough();
  throw new WaybillError('INVALID_INPUT', `a layer of the media type ${mediaType} cannot be read`);
}
