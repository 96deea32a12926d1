import { readSync } from 'node:fs';
import { open, rm, type FileHandle } from 'node:fs/promises';
import { WaybillError } from '../../kernel/error.ts';

/** A temporary file to which texts are added, and from which they are read again by their place. Gone when it is disposed. */
export class SpillFile implements AsyncDisposable {
  readonly #file: string;
  readonly #handle: FileHandle;
  #pieces: Buffer[] = [];
  #pending = 0;
  #size = 0;

  private constructor(file: string, handle: FileHandle) {
    this.#file = file;
    this.#handle = handle;
  }

  static async create(file: string): Promise<SpillFile> {
    return new SpillFile(file, await open(file, 'wx+', 0o600));
  }

  async append(text: string): Promise<{ offset: number; length: number }> {
    const bytes = Buffer.from(text);
    const place = { offset: this.#size + this.#pending, length: bytes.length };
    this.#pieces.push(bytes);
    this.#pending += bytes.length;
    if (this.#pending >= 1 << 20) await this.flush();
    return place;
  }

  async flush(): Promise<void> {
    const bytes = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#pending = 0;
    for (let at = 0; at < bytes.length;) at += (await this.#handle.write(bytes, at, bytes.length - at, this.#size + at)).bytesWritten;
    this.#size += bytes.length;
  }

  /** Only what has been flushed. */
  read(offset: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let have = 0; have < length;) {
      const more = readSync(this.#handle.fd, bytes, have, length - have, offset + have);
      if (more === 0) throw new WaybillError('STORE_FAILED', 'a temporary file is shorter than what was written to it');
      have += more;
    }
    return bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
    await rm(this.#file, { force: true });
  }
}
