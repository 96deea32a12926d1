import { createHash, randomUUID } from 'node:crypto';
import { open, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import type { Digest } from '../../kernel/digest.ts';
import { WaybillError } from '../../kernel/error.ts';
import { advisoryOf, packagesOf } from './advisory.ts';
import type { Ecosystem } from './ecosystems.ts';
import { encodeHeader, entryBytes, hashOf, headerBytes, type AdvisoryRef, type IndexMeta, type PackageGroup } from './index-format.ts';
import type { OsvRecord } from './osv-record.ts';
import { SpillFile } from './spill-file.ts';

/** Of one advisory: where its text lies in the spill, and of the newest record of several with the same id. */
type Kept = {
  readonly id: string;
  readonly modified: string;
  readonly digest: string;
  offset: number;
  length: number;
  readonly entries: Entry[];
};
type Entry = { readonly hash: bigint; readonly offset: number; readonly length: number };

/** More than any ecosystem has by a factor of ten. */
const mostEntries = 20_000_000;

export type BuiltIndex = { readonly file: string; readonly digest: Digest; readonly bytes: number; readonly meta: IndexMeta };

/**
 * Makes an index of records that come one after the other. Texts go to a spill file at once; in memory stay some 200 bytes for each advisory and 60 for each
 * package that it names.
 */
export class IndexBuilder implements AsyncDisposable {
  readonly #ecosystem: Ecosystem;
  readonly #folder: string;
  readonly #spill: SpillFile;
  readonly #kept = new Map<string, Kept>();
  readonly #releases = new Map<string, number>();
  #entries = 0;

  private constructor(ecosystem: Ecosystem, folder: string, spill: SpillFile) {
    this.#ecosystem = ecosystem;
    this.#folder = folder;
    this.#spill = spill;
  }

  /** @param folder where temporary files and the index are written; their names begin with `.building-` */
  static async create(ecosystem: Ecosystem, folder: string): Promise<IndexBuilder> {
    return new IndexBuilder(ecosystem, folder, await SpillFile.create(path.join(folder, `.building-${randomUUID()}.spill`)));
  }

  get advisories(): number {
    return this.#kept.size;
  }

  /** Withdrawn records, and those about other ecosystems, are left out. */
  async add(record: OsvRecord): Promise<void> {
    if (record.withdrawn) return;
    const packages = packagesOf(record, this.#ecosystem);
    if (packages.length === 0) return;
    const before = this.#kept.get(record.id);
    const advisory = JSON.stringify(advisoryOf(record));
    const texts = packages.map(({ key, affected }) => JSON.stringify([key, affected]));
    const digest = createHash('sha1').update(advisory).update(texts.join('\n')).digest('hex');
    // Of two with one id the newer counts, and between equals always the same one, whichever comes first.
    if (before && (before.modified > record.modified || (before.modified === record.modified && before.digest >= digest))) return;
    this.#entries += packages.length - (before?.entries.length ?? 0);
    if (this.#entries > mostEntries)
      throw new WaybillError('LIMIT_EXCEEDED', `${this.#ecosystem.name} has more than ${mostEntries} entries`);
    const entries: Entry[] = [];
    for (const [at, { key }] of packages.entries()) {
      const text = texts[at] ?? '';
      entries.push({ hash: hashOf(key).readBigUInt64BE(), ...(await this.#spill.append(text)) });
    }
    this.#kept.set(record.id, { id: record.id, modified: record.modified, digest, ...(await this.#spill.append(advisory)), entries });
  }

  /** Writes the index to a new file, and to the disk. @returns its temporary name and what it holds */
  async finish(signal: AbortSignal): Promise<BuiltIndex> {
    const file = path.join(this.#folder, `.building-${randomUUID()}.advisories`);
    try {
      await using out = await IndexOutput.create(file);
      await this.#spill.flush();
      const refs = new Map<Kept, AdvisoryRef>();
      const ordered = [...this.#kept.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
      for (const kept of ordered) {
        await pause(signal);
        refs.set(kept, await out.append(this.#spill.read(kept.offset, kept.length)));
      }
      const entries = ordered
        .flatMap((kept) => kept.entries.map((entry) => ({ kept, entry })))
        .sort((a, b) => (a.entry.hash < b.entry.hash ? -1 : a.entry.hash > b.entry.hash ? 1 : 0));
      const table: { readonly hash: bigint; readonly ref: AdvisoryRef }[] = [];
      for (let from = 0; from < entries.length;) {
        await pause(signal);
        const hash = entries[from]?.entry.hash ?? 0n;
        const groups = new Map<string, [AdvisoryRef, unknown][]>();
        for (; entries[from]?.entry.hash === hash; from++) {
          const one = entries[from];
          const ref = one && refs.get(one.kept);
          if (!one || !ref) throw new WaybillError('INTERNAL', 'an entry of the index has no advisory');
          const [key, affected] = JSON.parse(this.#spill.read(one.entry.offset, one.entry.length).toString('utf8')) as [string, unknown];
          const group = groups.get(key) ?? [];
          groups.set(key, group);
          group.push([ref, affected]);
        }
        for (const [key, a] of [...groups].sort(([one], [other]) => (one < other ? -1 : 1))) {
          this.#count(key, a);
          const group: PackageGroup<unknown> = { k: key, a };
          table.push({ hash, ref: await out.append(Buffer.from(JSON.stringify(group))) });
        }
      }
      const meta: IndexMeta = {
        ecosystem: this.#ecosystem.name,
        advisories: ordered.length,
        packages: table.length,
        releases: Object.fromEntries([...this.#releases].sort(([a], [b]) => (a < b ? -1 : 1))),
      };
      return { file, meta, ...(await out.finish(table, meta)) };
    } catch (error) {
      await rm(file, { force: true });
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#spill[Symbol.asyncDispose]();
  }

  #count(key: string, group: readonly unknown[]): void {
    const release = key.slice(0, key.indexOf('\u0000'));
    this.#releases.set(release, (this.#releases.get(release) ?? 0) + group.length);
  }
}

let lastPause = 0;
/** Others get their turn every few milliseconds. */
async function pause(signal: AbortSignal): Promise<void> {
  const now = performance.now();
  if (now - lastPause < 10) return;
  signal.throwIfAborted();
  await breathe();
  lastPause = performance.now();
}

/** Writes in large pieces, and knows where what was written. */
class IndexOutput implements AsyncDisposable {
  readonly #handle: FileHandle;
  #pieces: Buffer[] = [];
  #pending = 0;
  #offset = headerBytes;
  #written = headerBytes;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  static async create(file: string): Promise<IndexOutput> {
    return new IndexOutput(await open(file, 'wx+', 0o644));
  }

  async append(bytes: Buffer): Promise<AdvisoryRef> {
    const ref: AdvisoryRef = [this.#offset, bytes.length, crc32(bytes)];
    this.#pieces.push(bytes);
    this.#offset += bytes.length;
    this.#pending += bytes.length;
    if (this.#pending >= 1 << 20) await this.#flush();
    return ref;
  }

  async finish(
    table: readonly { readonly hash: bigint; readonly ref: AdvisoryRef }[],
    meta: IndexMeta,
  ): Promise<{ digest: Digest; bytes: number }> {
    const entries = Buffer.alloc(table.length * entryBytes);
    for (const [at, { hash, ref }] of table.entries()) {
      entries.writeBigUInt64BE(hash, at * entryBytes);
      entries.writeUIntBE(ref[0], at * entryBytes + 8, 6);
      entries.writeUInt32BE(ref[1], at * entryBytes + 14);
      entries.writeUInt32BE(ref[2], at * entryBytes + 18);
    }
    const [offset, , crc] = await this.append(entries);
    const [metaOffset, length, metaCrc] = await this.append(Buffer.from(JSON.stringify(meta)));
    await this.#flush();
    const size = this.#written;
    const header = encodeHeader({
      size,
      table: { offset, count: table.length, crc },
      meta: { offset: metaOffset, length, crc: metaCrc },
    });
    await this.#handle.write(header, 0, header.length, 0);
    const hash = createHash('sha256');
    const buffer = Buffer.allocUnsafe(1 << 20);
    for (let at = 0; at < size;) {
      const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw new WaybillError('STORE_FAILED', 'the index is shorter than what was written to it');
      hash.update(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
    await this.#handle.sync();
    return { digest: `sha256:${hash.digest('hex')}` as Digest, bytes: size };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#pending = 0;
    for (let at = 0; at < bytes.length;) at += (await this.#handle.write(bytes, at, bytes.length - at, this.#written + at)).bytesWritten;
    this.#written += bytes.length;
  }
}
