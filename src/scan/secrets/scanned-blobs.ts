import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { RuleSet } from './rule-set.ts';

const magic = 'waybill scanned blobs 1\n';
const largest = 512 * 1024 * 1024;

/**
 * Names of blobs that were looked at with these rules and have nothing in them, in a file: the next scan of the history passes them over. Names of content, nothing else; the file may
 * be deleted at any time. Kept as bytes in one buffer: a million of them take 20 MB.
 */
export class ScannedBlobs {
  readonly #file: string;
  readonly #width: number;
  readonly #known: Buffer;
  readonly #fresh: Buffer[] = [];

  private constructor(file: string, width: number, known: Buffer) {
    this.#file = file;
    this.#width = width;
    this.#known = known;
  }

  /** @param hexDigits of an object name: 40, or 64 in repositories with SHA-256 */
  static async open(folder: string, rules: RuleSet, hexDigits: number): Promise<ScannedBlobs> {
    const width = hexDigits / 2;
    const file = path.join(folder, `scanned-${rules.digest.slice('sha256:'.length, 'sha256:'.length + 32)}-${width}`);
    const content = await readFile(file).catch(() => Buffer.alloc(0));
    // What is no such file, or half of one, is as good as none.
    const body = content.subarray(magic.length);
    const usable =
      content.length <= largest &&
      content.toString('latin1', 0, magic.length) === magic &&
      body.length % width === 0 &&
      isSorted(body, width);
    return new ScannedBlobs(file, width, usable ? body : Buffer.alloc(0));
  }

  has(blob: string): boolean {
    const wanted = Buffer.from(blob, 'hex');
    if (wanted.length !== this.#width) return false;
    let low = 0;
    let high = this.#known.length / this.#width - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const order = this.#known.compare(wanted, 0, this.#width, middle * this.#width, (middle + 1) * this.#width);
      if (order === 0) return true;
      if (order < 0) low = middle + 1;
      else high = middle - 1;
    }
    return false;
  }

  add(blob: string): void {
    const name = Buffer.from(blob, 'hex');
    if (name.length === this.#width) this.#fresh.push(name);
  }

  /** Written beside and moved into place: a scan that is killed leaves the old file. */
  async save(): Promise<void> {
    if (this.#fresh.length === 0) return;
    const names: Buffer[] = [...this.#fresh];
    for (let at = 0; at < this.#known.length; at += this.#width) names.push(this.#known.subarray(at, at + this.#width));
    names.sort(Buffer.compare);
    await mkdir(path.dirname(this.#file), { recursive: true });
    const beside = `${this.#file}.${process.pid}`;
    try {
      const handle = await open(beside, 'w', 0o600);
      try {
        await handle.writeFile(Buffer.concat([Buffer.from(magic, 'latin1'), ...names]));
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(beside, this.#file);
    } catch (error) {
      await rm(beside, { force: true });
      throw error;
    }
  }
}

function isSorted(body: Buffer, width: number): boolean {
  for (let at = width; at < body.length; at += width) if (body.compare(body, at - width, at, at, at + width) < 0) return false;
  return true;
}
