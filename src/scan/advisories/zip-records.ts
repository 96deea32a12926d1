import { open, type FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { callbackify } from 'node:util';
import { crc32, inflateRawSync } from 'node:zlib';
import { fromRandomAccessReaderPromise, RandomAccessReader, type Entry } from 'yauzl';
import { WaybillError, messageOf } from '../../kernel/error.ts';
import type { AdvisoryLimits } from './limits.ts';
import type { RecordFile, RecordFiles } from './record-files.ts';

const stored = 0;
const deflated = 8;
const windowBytes = 1024 ** 2;
const mostWindows = 3;

/**
 * The advisories in a ZIP archive, one after the other, whatever its size: nothing is unpacked to the disk, so that names of entries can do no harm. An entry
 * that is damaged, too large, encrypted or not compressed as usual is told; an archive that is damaged as a whole ends with an error.
 */
export function zipRecords(file: string): RecordFiles {
  return async function* records(limits, signal) {
    await using handle = await open(file, 'r');
    const { size } = await handle.stat();
    if (size > limits.archiveBytes)
      throw new WaybillError('LIMIT_EXCEEDED', `the archive has ${size} bytes; at most ${limits.archiveBytes} are read`);
    const reader = new WindowReader(handle, size);
    let total = 0;
    let count = 0;
    try {
      const zip = await fromRandomAccessReaderPromise(reader, size, { lazyEntries: true, autoClose: false, validateEntrySizes: true });
      for await (const entry of zip.eachEntry()) {
        signal.throwIfAborted();
        count++;
        if (count > limits.entries) throw new WaybillError('LIMIT_EXCEEDED', `the archive has more than ${limits.entries} files`);
        if (!entry.fileName.endsWith('.json')) continue;
        const problem = problemOf(entry, limits);
        if (problem !== undefined) {
          yield { name: entry.fileName, content: { problem } };
          continue;
        }
        total += entry.uncompressedSize;
        if (total > limits.totalBytes)
          throw new WaybillError('LIMIT_EXCEEDED', `the archive unpacks to more than ${limits.totalBytes} bytes`);
        const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
        yield unpack(entry, await reader.bytes(fileDataStart, entry.compressedSize));
      }
    } catch (cause) {
      if (cause instanceof WaybillError || signal.aborted) throw cause;
      throw new WaybillError('INVALID_INPUT', `${file} is a damaged archive, or none: ${messageOf(cause)}`, {
        cause,
        fix: 'Bring it again; what was there before is still in use.',
      });
    }
  };
}

function problemOf(entry: Entry, limits: AdvisoryLimits): string | undefined {
  if (entry.isEncrypted()) return 'it is encrypted';
  if (entry.compressionMethod !== stored && entry.compressionMethod !== deflated)
    return `it is compressed by method ${entry.compressionMethod}`;
  if (entry.uncompressedSize > limits.recordBytes || entry.compressedSize > limits.recordBytes)
    return `it is larger than ${limits.recordBytes} bytes`;
  return undefined;
}

function unpack(entry: Entry, data: Buffer): RecordFile {
  try {
    const content =
      entry.compressionMethod === stored ? data : inflateRawSync(data, { maxOutputLength: Math.max(1, entry.uncompressedSize) });
    if (content.length !== entry.uncompressedSize)
      return { name: entry.fileName, content: { problem: 'it has another size than is said' } };
    if (crc32(content) !== entry.crc32) return { name: entry.fileName, content: { problem: 'its checksum is wrong' } };
    return { name: entry.fileName, content };
  } catch (error) {
    return { name: entry.fileName, content: { problem: messageOf(error) } };
  }
}

/** Reads windows of the file: entries are small, and stand in the order of the directory, which stands elsewhere and is read in turn with them. */
class WindowReader extends RandomAccessReader {
  readonly #handle: FileHandle;
  readonly #size: number;
  /** The one that was used last comes first. */
  #windows: readonly { readonly from: number; readonly bytes: Buffer }[] = [];

  constructor(handle: FileHandle, size: number) {
    super();
    this.#handle = handle;
    this.#size = size;
  }

  /** @throws Error past the end of the file */
  async bytes(position: number, length: number): Promise<Buffer> {
    if (length > windowBytes) return await this.#load(position, length);
    const known = this.#windows.find(({ from, bytes }) => position >= from && position + length <= from + bytes.length);
    const size = Math.min(windowBytes, Math.max(length, this.#size - position));
    const window = known ?? { from: position, bytes: await this.#load(position, size) };
    if (window !== this.#windows[0]) this.#windows = [window, ...this.#windows.filter((one) => one !== window)].slice(0, mostWindows);
    const at = position - window.from;
    return window.bytes.subarray(at, at + length);
  }

  override read(buffer: Buffer, offset: number, length: number, position: number, callback: (error: Error | null) => void): void {
    const answer = callbackify(async () => {
      (await this.bytes(position, length)).copy(buffer, offset);
    });
    answer(callback);
  }

  override _readStreamForRange(start: number, end: number): Readable {
    const load = async () => await this.#load(start, end - start);
    return Readable.from(
      (async function* once() {
        yield await load();
      })(),
    );
  }

  async #load(position: number, length: number): Promise<Buffer> {
    if (position < 0 || position + length > this.#size) throw new Error('it points past its end');
    const bytes = Buffer.allocUnsafe(length);
    for (let have = 0; have < length;) {
      const { bytesRead } = await this.#handle.read(bytes, have, length - have, position + have);
      if (bytesRead === 0) throw new Error('it ends too early');
      have += bytesRead;
    }
    return bytes;
  }
}
