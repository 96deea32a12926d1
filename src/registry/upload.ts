import { createHash, type Hash } from 'node:crypto';
import { rm, type FileHandle } from 'node:fs/promises';
import { addAbortSignal, Writable, type Readable } from 'node:stream';
import { algorithmOf, finishDigest, type ContentDigest, type DigestAlgorithm } from '../oci/content-digest.ts';
import { ProtocolError } from './protocol-error.ts';

const mebibyte = 1024 * 1024;
/** Dirty pages are handed to the disk while more arrive, so that the last sync is short. */
const syncEvery = 64 * mebibyte;

/** One upload: a file that grows, hashed while it is written. One request at a time may hold it. */
export class Upload {
  readonly id: string;
  readonly repository: string;
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #hash: Hash = createHash('sha256');
  readonly #maxBytes: number;
  #offset = 0;
  #synced = 0;
  #background: Promise<void> = Promise.resolve();
  #busy = false;
  #closed = false;
  #broken = false;
  touchedAt: number;

  constructor(file: { id: string; path: string; handle: FileHandle }, repository: string, maxBytes: number, now: number) {
    this.id = file.id;
    this.#path = file.path;
    this.#handle = file.handle;
    this.repository = repository;
    this.#maxBytes = maxBytes;
    this.touchedAt = now;
  }

  /** Bytes that are written and hashed. */
  get offset(): number {
    return this.#offset;
  }

  get busy(): boolean {
    return this.#busy;
  }

  /** True when nothing can be appended any more: the disk refused, or more came than is allowed. */
  get broken(): boolean {
    return this.#broken;
  }

  /** @throws ProtocolError BLOB_UPLOAD_INVALID when another request holds it */
  hold(): Disposable {
    if (this.#busy || this.#closed)
      throw new ProtocolError('BLOB_UPLOAD_INVALID', 'Another request is writing to this upload', { status: 409 });
    this.#busy = true;
    return { [Symbol.dispose]: () => void (this.#busy = false) };
  }

  /** Appends until the stream ends. When it breaks, `offset` says how far it came, and the upload can go on from there. */
  async append(body: Readable, signal: AbortSignal): Promise<void> {
    const settle = async (chunks: Buffer[], done: (error?: Error) => void) => {
      let failure: unknown;
      try {
        await this.#write(chunks);
      } catch (error) {
        failure = error;
      }
      done(failure === undefined ? undefined : toError(failure));
    };
    const sink = new Writable({
      highWaterMark: mebibyte,
      write: (chunk: Buffer, _encoding, done) => void settle([chunk], done),
      writev: (items: { chunk: Buffer }[], done) =>
        void settle(
          items.map((item) => item.chunk),
          done,
        ),
    });
    await pour(body, sink, signal);
  }

  async #write(chunks: Buffer[]): Promise<void> {
    let size = 0;
    for (const chunk of chunks) size += chunk.length;
    if (this.#offset + size > this.#maxBytes) {
      this.#broken = true;
      throw new ProtocolError('SIZE_INVALID', `A blob has at most ${this.#maxBytes} bytes here`, { status: 413 });
    }
    const written = this.#writeAll(chunks, size);
    for (const chunk of chunks) this.#hash.update(chunk);
    try {
      await written;
    } catch (error) {
      this.#broken = true;
      throw error;
    }
    this.#offset += size;
    if (this.#offset - this.#synced >= syncEvery) {
      this.#synced = this.#offset;
      // The last sync, in finish(), reports what goes wrong here too; this one only starts the disk early.
      const sync = this.#background.then(() => this.#handle.datasync());
      this.#background = sync.catch(() => void (this.#broken = true));
    }
  }

  async #writeAll(chunks: Buffer[], size: number): Promise<void> {
    let { bytesWritten } = await this.#handle.writev(chunks, this.#offset);
    if (bytesWritten === size) return;
    const rest = Buffer.concat(chunks);
    while (bytesWritten < size)
      bytesWritten += (await this.#handle.write(rest, bytesWritten, size - bytesWritten, this.#offset + bytesWritten)).bytesWritten;
  }

  /**
   * Ends the upload: the file is whole, synced, closed, and has the expected digest. It is still without a name: whoever adopts it
   * calls `discard` afterwards.
   * @returns the path of the file
   * @throws ProtocolError DIGEST_INVALID
   */
  async seal(expected: ContentDigest): Promise<string> {
    const algorithm = algorithmOf(expected);
    // Nobody says beforehand which digest it will be; all but sha256 is read once more.
    const actual = algorithm === 'sha256' ? finishDigest(this.#hash, algorithm) : await this.#rehash(algorithm);
    if (actual !== expected)
      throw new ProtocolError('DIGEST_INVALID', `The content is ${actual}, not ${expected}`, { detail: { digest: expected, actual } });
    await this.#background;
    if (this.#broken) throw new ProtocolError('UNKNOWN', 'The disk refused to keep the upload');
    await this.#handle.sync();
    await this.#close();
    return this.#path;
  }

  async #rehash(algorithm: DigestAlgorithm): Promise<ContentDigest> {
    const hash = createHash(algorithm);
    const block = Buffer.allocUnsafeSlow(mebibyte);
    for (let position = 0; position < this.#offset;) {
      const { bytesRead } = await this.#handle.read(block, 0, block.length, position);
      if (bytesRead === 0) throw new ProtocolError('UNKNOWN', 'The disk lost a part of the upload');
      hash.update(block.subarray(0, bytesRead));
      position += bytesRead;
    }
    return finishDigest(hash, algorithm);
  }

  /** Closes and removes the file; harmless when it is gone already. */
  async discard(): Promise<void> {
    await this.#background;
    await this.#close();
    await rm(this.#path, { force: true });
  }

  async #close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#handle.close();
  }
}

/** Like `pipeline`, but a sink that fails leaves the source alive: its socket still has to carry the answer. */
function pour(source: Readable, sink: Writable, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const end = () => {
    if (!source.readableEnded) sink.destroy(new ProtocolError('BLOB_UPLOAD_INVALID', 'The connection ended before the content did'));
  };
  addAbortSignal(signal, sink);
  source.once('close', end).once('error', end);
  sink.once('finish', resolve).once('error', (error) => {
    source.unpipe(sink);
    reject(signal.aborted ? signal.reason : error);
  });
  source.pipe(sink);
  if (source.destroyed) end();
  return promise.finally(() => source.off('close', end).off('error', end));
}

const toError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));
