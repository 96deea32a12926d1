import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { WaybillError } from '../../kernel/error.ts';
import type { Advisory } from './advisory.ts';
import type { Affected } from './affected.ts';
import {
  decodeHeader,
  entryBytes,
  hashOf,
  headerBytes,
  indexMeta,
  type AdvisoryRef,
  type IndexMeta,
  type PackageGroup,
} from './index-format.ts';

export type PackageAdvisory = { readonly ref: AdvisoryRef; readonly affected: Affected };

/**
 * Reads one index. What it reads is checked: a file that was cut off or has changed is an error, never "no advisories". It keeps the file open, so an update
 * that replaces it does not disturb whoever reads. Reads are synchronous: some microseconds each from the system's cache.
 */
export class AdvisoryIndex implements Disposable {
  readonly file: string;
  readonly meta: IndexMeta;
  readonly #descriptor: number;
  readonly #table: { readonly offset: number; readonly count: number; readonly crc: number };
  #entries: Buffer | undefined;
  #open = true;

  /** @throws WaybillError STORE_FAILED when it is no index or a damaged one; what the system says when there is no such file */
  constructor(file: string) {
    this.file = file;
    this.#descriptor = openSync(file, 'r');
    try {
      const { size } = fstatSync(this.#descriptor);
      const header = size < headerBytes ? undefined : decodeHeader(this.#read(0, headerBytes));
      if (!header || header.size !== size) throw this.#damaged('its length or its header is wrong');
      this.#table = header.table;
      const { offset, length, crc } = header.meta;
      this.meta = indexMeta.parse(this.#json([offset, length, crc]));
    } catch (error) {
      closeSync(this.#descriptor);
      throw error;
    }
  }

  /** What advisories say about the package of this key (`packageKey`). */
  packageAdvisories(key: string): readonly PackageAdvisory[] {
    const hash = hashOf(key);
    const entries = this.#loaded();
    for (let at = this.#firstAt(entries, hash); at < this.#table.count && sameHash(entries, at, hash); at++) {
      const from = at * entryBytes;
      const group = this.#json([
        entries.readUIntBE(from + 8, 6),
        entries.readUInt32BE(from + 14),
        entries.readUInt32BE(from + 18),
      ]) as PackageGroup<Affected>;
      if (group.k === key) return group.a.map(([ref, affected]) => ({ ref, affected }));
    }
    return [];
  }

  advisory(ref: AdvisoryRef): Advisory {
    return this.#json(ref) as Advisory;
  }

  /** Every package with its advisories, in the order of the table. */
  *packages(): Generator<{ readonly key: string; readonly advisories: readonly PackageAdvisory[] }> {
    const entries = this.#loaded();
    for (let from = 0; from < entries.length; from += entryBytes) {
      const group = this.#json([
        entries.readUIntBE(from + 8, 6),
        entries.readUInt32BE(from + 14),
        entries.readUInt32BE(from + 18),
      ]) as PackageGroup<Affected>;
      yield { key: group.k, advisories: group.a.map(([ref, affected]) => ({ ref, affected })) };
    }
  }

  [Symbol.dispose](): void {
    if (this.#open) closeSync(this.#descriptor);
    this.#open = false;
  }

  #loaded(): Buffer {
    if (this.#entries) return this.#entries;
    const entries = this.#read(this.#table.offset, this.#table.count * entryBytes);
    if (crc32(entries) !== this.#table.crc) throw this.#damaged('its table has changed');
    this.#entries = entries;
    return entries;
  }

  #firstAt(entries: Buffer, hash: Buffer): number {
    let low = 0;
    let high = this.#table.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (entries.compare(hash, 0, 8, middle * entryBytes, middle * entryBytes + 8) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #json([offset, length, crc]: AdvisoryRef): unknown {
    const bytes = this.#read(offset, length);
    if (crc32(bytes) !== crc) throw this.#damaged(`what stands at ${offset} has changed`);
    return JSON.parse(bytes.toString('utf8'));
  }

  #read(offset: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let have = 0; have < length;) {
      const more = readSync(this.#descriptor, bytes, have, length - have, offset + have);
      if (more === 0) throw this.#damaged('it ends too early');
      have += more;
    }
    return bytes;
  }

  #damaged(what: string): WaybillError {
    return new WaybillError('STORE_FAILED', `the advisories in ${this.file} are damaged: ${what}`, {
      fix: 'Bring them again: waybill db update.',
    });
  }
}

function sameHash(entries: Buffer, at: number, hash: Buffer): boolean {
  return at * entryBytes < entries.length && entries.compare(hash, 0, 8, at * entryBytes, at * entryBytes + 8) === 0;
}
