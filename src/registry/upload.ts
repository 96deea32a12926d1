import { createHash, type Hash } from 'node:crypto';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { addAbortSignal, Writable, type Readable } from 'node:stream';
import { algorithmOf, finishDigest, type ContentDigest, type DigestAlgorithm } from '../oci/content-digest.ts';
import { usedUp } from '../kernel/used-buffers.ts';
import { ProtocolError } from './protocol-error.ts';
import { sessionFile, writeSession } from './upload-session.ts';

const mebibyte = 1024 * 1024;
/** Dirty pages are handed to the disk while more arrive, so that the last sync is short. */
const syncEvery = 64 * mebibyte;

/** Where an upload writes to: no file yet, or what an earlier process left, whose first `size` bytes are the upload's. */
type UploadFile = { readonly id: string; readonly path: string; readonly size?: number };

/**
 * One upload: a file that grows, hashed while it is written. One request at a time may hold it.
 *
 * An upload of an earlier process is read and hashed again before it goes on: OpenSSL's hash state cannot be saved, and a state that was
 * saved beside the file would have to be as new as the file at every crash, whereas the bytes speak for themselves.
 */
export class Upload {
  readonly id: string;
  readonly repository: string;
  readonly #path: string;
  /** There is a file that an earlier process left. */
  readonly #left: boolean;
  /** It may go on in the next process. */
  #resumable: boolean;
  #handle: FileHandle | undefined;
  #opening: Promise<FileHandle> | undefined;
  readonly #hash: Hash = createHash('sha256');
  readonly #maxBytes: number;
  #offset = 0;
  #synced = 0;
  #background: Promise<void> = Promise.resolve();
  #busy = false;
  #closed = false;
  #broken = false;
  #gone = false;
  touchedAt: number;

  constructor(file: UploadFile, repository: string, maxBytes: number, now: number) {
    this.id = file.id;
    this.#path = file.path;
    this.#left = file.size !== undefined;
    this.#resumable = this.#left;
    this.#offset = file.size ?? 0;
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

  /** The open file: a new one, or one that an earlier process left, hashed as far as it goes. */
  async #open(): Promise<FileHandle> {
    if (this.#handle) return this.#handle;
    this.#opening ??= (async () => {
      if (!this.#left) return await this.#make();
      const handle = await open(this.#path, 'r+');
      try {
        await readThrough(handle, this.#offset, (block) => void this.#hash.update(block));
        this.#handle = handle;
        return handle;
      } catch (error) {
        this.#broken = true;
        await handle.close();
        throw error;
      }
    })();
    return await this.#opening;
  }

  async #make(): Promise<FileHandle> {
    try {
      return (this.#handle = await open(this.#path, 'wx+', 0o600));
    } catch (error) {
      // A full disk may have room when the client tries again.
      this.#opening = undefined;
      throw error;
    }
  }

  /**
   * Done when bytes can be appended; takes the time to read what an earlier process left.
   * @param resumable from now on it can go on after a restart
   */
  async ready(resumable: boolean): Promise<void> {
    await this.#open();
    if (!resumable || this.#resumable) return;
    await writeSession(this.#path, this.repository);
    this.#resumable = true;
  }

  /** Appends until the stream ends, with at most about `bufferBytes` on the way. When it breaks, `offset` says how far it came, and the upload can go on from there. */
  async append(body: Readable, bufferBytes: number, signal: AbortSignal): Promise<void> {
    const handle = await this.#open();
    const settle = async (chunks: Buffer[], done: (error?: Error) => void) => {
      let failure: unknown;
      try {
        await this.#write(handle, chunks);
      } catch (error) {
        failure = error;
      }
      done(failure === undefined ? undefined : toError(failure));
    };
    const sink = new Writable({
      highWaterMark: bufferBytes,
      write: (chunk: Buffer, _encoding, done) => void settle([chunk], done),
      writev: (items: { chunk: Buffer }[], done) =>
        void settle(
          items.map((item) => item.chunk),
          done,
        ),
    });
    await pour(body, sink, signal);
  }

  async #write(handle: FileHandle, chunks: Buffer[]): Promise<void> {
    let size = 0;
    for (const chunk of chunks) size += chunk.length;
    if (this.#offset + size > this.#maxBytes) {
      this.#broken = true;
      throw new ProtocolError('SIZE_INVALID', `A blob has at most ${this.#maxBytes} bytes here`, { status: 413 });
    }
    const written = this.#writeAll(handle, chunks, size);
    for (const chunk of chunks) this.#hash.update(chunk);
    try {
      await written;
    } catch (error) {
      this.#broken = true;
      throw error;
    }
    this.#offset += size;
    usedUp(size);
    if (this.#offset - this.#synced >= syncEvery) {
      this.#synced = this.#offset;
      // The last sync, in finish(), reports what goes wrong here too; this one only starts the disk early.
      const sync = this.#background.then(() => handle.datasync());
      this.#background = sync.catch(() => void (this.#broken = true));
    }
  }

  async #writeAll(handle: FileHandle, chunks: Buffer[], size: number): Promise<void> {
    let { bytesWritten } = await handle.writev(chunks, this.#offset);
    if (bytesWritten === size) return;
    const rest = Buffer.concat(chunks);
    while (bytesWritten < size)
      bytesWritten += (await handle.write(rest, bytesWritten, size - bytesWritten, this.#offset + bytesWritten)).bytesWritten;
  }

  /**
   * Ends the upload: the file is whole, synced, closed, and has the expected digest. It is still without a name: whoever adopts it
   * calls `discard` afterwards.
   * @returns the path of the file
   * @throws ProtocolError DIGEST_INVALID
   */
  async seal(expected: ContentDigest): Promise<string> {
    const algorithm = algorithmOf(expected);
    const handle = await this.#open();
    // Nobody says beforehand which digest it will be; all but sha256 is read once more.
    const actual = algorithm === 'sha256' ? finishDigest(this.#hash, algorithm) : await this.#rehash(handle, algorithm);
    if (actual !== expected)
      throw new ProtocolError('DIGEST_INVALID', `The content is ${actual}, not ${expected}`, { detail: { digest: expected, actual } });
    await this.#background;
    if (this.#broken) throw new ProtocolError('UNKNOWN', 'The disk refused to keep the upload');
    await handle.sync();
    await this.#close();
    return this.#path;
  }

  async #rehash(handle: FileHandle, algorithm: DigestAlgorithm): Promise<ContentDigest> {
    const hash = createHash(algorithm);
    await readThrough(handle, this.#offset, (block) => void hash.update(block));
    return finishDigest(hash, algorithm);
  }

  /** The sealed file has another name now. */
  handOver(): void {
    this.#gone = true;
  }

  /** Closes and removes the files; harmless when they are gone already. */
  async discard(): Promise<void> {
    await this.#settle();
    const files = [...(this.#gone ? [] : [this.#path]), ...(this.#resumable ? [sessionFile(this.#path)] : [])];
    await Promise.all(files.map((file) => rm(file, { force: true })));
  }

  /** Closes the file, and leaves it for the next process when it may go on there. */
  async suspend(): Promise<void> {
    await (this.#resumable && !this.#broken ? this.#settle() : this.discard());
  }

  async #settle(): Promise<void> {
    await this.#background;
    await this.#opening?.catch(() => undefined);
    await this.#close();
  }

  async #close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#handle?.close();
  }
}

/** @throws ProtocolError UNKNOWN when the file is shorter than `end` */
async function readThrough(handle: FileHandle, end: number, take: (block: Buffer) => void): Promise<void> {
  const block = Buffer.allocUnsafeSlow(Math.max(1, Math.min(mebibyte, end)));
  for (let position = 0; position < end;) {
    const { bytesRead } = await handle.read(block, 0, Math.min(block.length, end - position), position);
    if (bytesRead === 0) throw new ProtocolError('UNKNOWN', 'The disk lost a part of the upload');
    take(block.subarray(0, bytesRead));
    position += bytesRead;
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
