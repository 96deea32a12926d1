import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { algorithmOf, finishDigest, type ContentDigest } from '../../oci/content-digest.ts';
import { WaybillError } from '../../kernel/error.ts';
import { usedUp } from '../../kernel/used-buffers.ts';

/** Where a client reads a blob from: a file that is whole, or that is still being fetched. */
export type BlobSource = AsyncDisposable & {
  readonly handle: FileHandle;
  /** Undefined while nobody has said it. */
  readonly size: number | undefined;
  /** Resolves when bytes at `at` may be given away: how many, 0 at the end. @throws when the fetching failed, or `signal` aborts */
  ready(at: number, signal: AbortSignal): Promise<number>;
};

/**
 * A blob on its way from the upstream into a file, which any number of clients read meanwhile. The last byte is given to nobody before
 * the digest of the whole was right: what an upstream made up is never complete anywhere.
 */
export class Download {
  readonly path: string;
  readonly size: number | undefined;
  readonly #handle: FileHandle;
  readonly #digest: ContentDigest;
  readonly #hash: Hash;
  readonly #maxBytes: number;
  #written = 0;
  #end: 'open' | 'whole' | { readonly failed: unknown } = 'open';
  #readers = 0;
  #closed = false;
  #waiting = new Set<() => void>();

  constructor(
    file: { readonly path: string; readonly handle: FileHandle },
    options: { readonly digest: ContentDigest; readonly size: number | undefined; readonly maxBytes: number },
  ) {
    this.path = file.path;
    this.#handle = file.handle;
    this.#digest = options.digest;
    this.size = options.size;
    this.#maxBytes = options.maxBytes;
    this.#hash = createHash(algorithmOf(options.digest));
  }

  get written(): number {
    return this.#written;
  }

  /** Takes the body to its end, and syncs the file. It is not to be given its name before this has returned. @throws WaybillError DIGEST_MISMATCH, LIMIT_EXCEEDED */
  async fill(body: AsyncIterable<Buffer>): Promise<void> {
    for await (const chunk of body) {
      const next = this.#written + chunk.length;
      if (this.size !== undefined && next > this.size) throw this.#mismatch(`has more than the ${this.size} bytes that were announced`);
      if (next > this.#maxBytes) throw new WaybillError('LIMIT_EXCEEDED', `the blob ${this.#digest} has more than ${this.#maxBytes} bytes`);
      this.#hash.update(chunk);
      for (let done = 0; done < chunk.length;)
        done += (await this.#handle.write(chunk, done, chunk.length - done, this.#written + done)).bytesWritten;
      this.#written = next;
      usedUp(chunk.length);
      this.#wake();
    }
    if (this.size !== undefined && this.#written !== this.size) throw this.#mismatch(`ended after ${this.#written} of ${this.size} bytes`);
    const actual = finishDigest(this.#hash, algorithmOf(this.#digest));
    if (actual !== this.#digest) throw this.#mismatch(`is ${actual}`);
    await this.#handle.sync();
  }

  /** The file has its name: the last byte may go. */
  async finish(): Promise<void> {
    await this.#settle('whole');
  }

  async fail(cause: unknown): Promise<void> {
    await this.#settle({ failed: cause });
  }

  /** For one client; dispose it. Undefined when it is whole and has been closed: read the file that has its name. @throws what it failed with */
  open(): BlobSource | undefined {
    if (typeof this.#end === 'object') throw this.#end.failed;
    if (this.#closed) return undefined;
    this.#readers++;
    let open = true;
    return {
      handle: this.#handle,
      size: this.#end === 'whole' ? this.#written : this.size,
      ready: (at, signal) => this.#ready(at, signal),
      [Symbol.asyncDispose]: async () => {
        if (!open) return;
        open = false;
        this.#readers--;
        await this.#closeUnused();
      },
    };
  }

  async #ready(at: number, signal: AbortSignal): Promise<number> {
    for (;;) {
      signal.throwIfAborted();
      if (typeof this.#end === 'object') throw this.#end.failed;
      const released = this.#end === 'whole' ? this.#written : Math.max(0, this.#written - 1);
      if (released > at) return released - at;
      if (this.#end === 'whole') return 0;
      await this.#change(signal);
    }
  }

  #change(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const done = () => {
      this.#waiting.delete(done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    this.#waiting.add(done);
    signal.addEventListener('abort', done, { once: true });
    return promise;
  }

  #wake(): void {
    for (const each of this.#waiting) each();
  }

  async #settle(end: 'whole' | { readonly failed: unknown }): Promise<void> {
    if (this.#end !== 'open') return;
    this.#end = end;
    this.#wake();
    await this.#closeUnused();
  }

  async #closeUnused(): Promise<void> {
    if (this.#end === 'open' || this.#readers > 0 || this.#closed) return;
    this.#closed = true;
    await this.#handle.close();
  }

  #mismatch(what: string): WaybillError {
    return new WaybillError('DIGEST_MISMATCH', `the blob that should be ${this.#digest} ${what}`);
  }
}

/** A file that is whole. @param onClose the collector may take it again */
export function wholeBlob(handle: FileHandle, size: number, onClose: () => void): BlobSource {
  return {
    handle,
    size,
    async ready(at, signal) {
      signal.throwIfAborted();
      return Math.max(0, size - at);
    },
    async [Symbol.asyncDispose]() {
      onClose();
      await handle.close();
    },
  };
}
