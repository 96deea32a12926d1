import { Readable } from 'node:stream';
import { RandomAccessReader, fromRandomAccessReader, type Entry, type ZipFile } from 'yauzl';
import { nextZipEntry } from '../next-zip-entry.ts';

/** A file of a zip archive; without content, `why` says what keeps it from being unpacked. */
export type ZipEntry =
  | { readonly name: string; content(): AsyncIterable<Buffer> }
  | { readonly name: string; readonly content?: undefined; readonly why: string };

/**
 * The files of a zip archive (APPNOTE 6.3), one after another, in the order of its central directory. The archive is in memory, in pieces that are not joined: a copy would take as
 * much again. Folders are left out.
 * @throws Error for what is no such archive
 */
export async function* zipEntries(pieces: readonly Buffer[]): AsyncGenerator<ZipEntry> {
  const size = pieces.reduce((sum, { length }) => sum + length, 0);
  const zip = await new Promise<ZipFile>((resolve, reject) => {
    const options = { lazyEntries: true, autoClose: false, strictFileNames: false };
    fromRandomAccessReader(new PieceReader(pieces), size, options, (error, opened) =>
      opened ? resolve(opened) : reject(error ?? new Error('it cannot be opened')),
    );
  });
  for (let entry = await nextZipEntry(zip); entry; entry = await nextZipEntry(zip)) {
    const name = entry.fileName;
    if (name.endsWith('/')) continue;
    if (entry.isEncrypted()) yield { name, why: 'it is encrypted' };
    else if (entry.compressionMethod !== 0 && entry.compressionMethod !== 8)
      yield { name, why: `zip method ${entry.compressionMethod} is not unpacked` };
    else {
      const wanted = entry;
      yield { name, content: () => contentOf(zip, wanted) };
    }
  }
}

async function* contentOf(zip: ZipFile, entry: Entry): AsyncGenerator<Buffer> {
  const stream = await new Promise<Readable>((resolve, reject) => {
    zip.openReadStream(entry, (error, opened) => (opened ? resolve(opened) : reject(error ?? new Error('it cannot be read'))));
  });
  try {
    yield* stream as AsyncIterable<Buffer>;
  } finally {
    stream.destroy();
  }
}

class PieceReader extends RandomAccessReader {
  readonly #pieces: readonly Buffer[];

  constructor(pieces: readonly Buffer[]) {
    super();
    this.#pieces = pieces;
  }

  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(this.#range(start, end), { highWaterMark: 1 });
  }

  /** Headers, a few bytes each: without a stream. */
  override read(buffer: Buffer, offset: number, length: number, position: number, callback: (error: Error | null) => void): void {
    let at = offset;
    for (const part of this.#range(position, position + length)) at += part.copy(buffer, at);
    process.nextTick(callback, null);
  }

  *#range(start: number, end: number): Generator<Buffer> {
    let at = 0;
    for (const piece of this.#pieces) {
      if (at >= end) return;
      if (at + piece.length > start) yield piece.subarray(Math.max(0, start - at), end - at);
      at += piece.length;
    }
  }
}
