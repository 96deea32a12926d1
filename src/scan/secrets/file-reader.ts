import type { Skipped } from '../coverage.ts';
import type { TreeFile } from '../tree-source.ts';
import { archiveKind, openArchive, type ArchiveBudget } from './archive.ts';
import { isBinary, toUtf8 } from './file-kind.ts';
import type { ScanLimits } from './limits.ts';
import { countLines } from './positions.ts';
import type { FileState, Part } from './scan-chunks.ts';

/** What two windows of a large file share: longer than what any rule matches, but for a text that an expression may read beyond. */
const overlap = 64 * 1024;
const context = 512;

export type ReaderOptions = {
  readonly limits: ScanLimits;
  readonly signal: AbortSignal;
  /** Takes a part; waits when it has to be looked at now. */
  part(part: Part): Promise<void> | undefined;
  skip(skipped: Skipped): void;
};

/** What archives may unpack to for each byte that was read: what real ones do, several times over. */
const ratio = 20;

/** Cuts files into parts: small ones are one, large ones are windows, archives are what is in them. */
export class FileReader {
  readonly #options: ReaderOptions;
  #read = 0;
  #unpacked = 0;

  constructor(options: ReaderOptions) {
    this.#options = options;
  }

  /** @returns bytes that were read. @throws what the file's `pieces` throws */
  async read(file: TreeFile, state: FileState): Promise<number> {
    const { limits } = this.#options;
    const left = Math.max(0, limits.unpackedTotal + ratio * this.#read - this.#unpacked);
    const bytes = Math.min(limits.unpackedBytes, left);
    const over =
      bytes === limits.unpackedBytes
        ? `it unpacks to more than ${bytes} bytes`
        : `the archives unpack to more than ${limits.unpackedTotal} bytes, and to more than ${ratio} times what they take`;
    const budget: ArchiveBudget = { bytes, entries: limits.archiveEntries, over };
    try {
      const read = await this.#content(file.path, file.pieces(), state, budget, 0);
      this.#read += read;
      return read;
    } finally {
      this.#unpacked += bytes - Math.max(0, budget.bytes);
    }
  }

  async #content(
    path: string,
    pieces: AsyncIterable<Buffer> | Iterable<Buffer>,
    state: FileState,
    budget: ArchiveBudget,
    depth: number,
  ): Promise<number> {
    const { limits } = this.#options;
    const iterator = Symbol.asyncIterator in pieces ? pieces[Symbol.asyncIterator]() : pieces[Symbol.iterator]();
    let total = 0;
    let cut = false;
    const next = async (): Promise<Buffer | undefined> => {
      const { done, value } = await iterator.next();
      if (done || cut) return undefined;
      total += value.length;
      if (total <= limits.fileBytes) return value;
      cut = true;
      this.#skip(state, { path, reason: 'limit', detail: `only the first ${limits.fileBytes} bytes were looked at` });
      return value.subarray(0, value.length - (total - limits.fileBytes));
    };
    try {
      const first = await next();
      if (first === undefined) return 0;
      const kind = archiveKind(first);
      if (kind === undefined) await this.#windows(path, first, next, state);
      else await this.#archive(kind, path, first, next, state, budget, depth);
      return total;
    } finally {
      await iterator.return?.();
    }
  }

  async #archive(
    kind: NonNullable<ReturnType<typeof archiveKind>>,
    path: string,
    first: Buffer,
    next: () => Promise<Buffer | undefined>,
    state: FileState,
    budget: ArchiveBudget,
    depth: number,
  ): Promise<void> {
    const { limits, signal } = this.#options;
    if (depth >= limits.archiveDepth) {
      this.#skip(state, { path, reason: 'limit', detail: `archives are opened ${limits.archiveDepth} deep` });
      return;
    }
    const content = (async function* () {
      for (let piece: Buffer | undefined = first; piece !== undefined; piece = await next()) yield piece;
    })();
    await openArchive(kind, path, content, budget, {
      limits,
      signal,
      skip: (skipped) => this.#skip(state, skipped),
      entry: async (name, pieces) => {
        await this.#content(name, pieces, state, budget, depth + 1);
      },
    });
    // An empty last part: what is known of the whole is known when it was looked at.
    await this.#options.part({
      path,
      bytes: Buffer.alloc(0),
      binary: true,
      firstLine: 1,
      from: 0,
      to: 0,
      first: false,
      last: depth === 0,
      file: state,
    });
  }

  async #windows(path: string, first: Buffer, next: () => Promise<Buffer | undefined>, state: FileState): Promise<void> {
    const utf16 = toUtf8(first) !== undefined;
    const bigEndian = first[0] === 0xfe;
    // Every piece but the last has an even length, so that no unit is cut in two.
    const decode = (piece: Buffer, isFirst: boolean): Buffer =>
      utf16 ? (toUtf8(isFirst ? piece : Buffer.concat([Buffer.from(bigEndian ? 'feff' : 'fffe', 'hex'), piece])) ?? piece) : piece;
    const binary = !utf16 && isBinary(first);
    let bytes = decode(first, true);
    let firstLine = 1;
    let from = 0;
    let isFirst = true;
    for (;;) {
      const following = await next();
      const last = following === undefined || following.length === 0;
      const to = last ? bytes.length : Math.max(from, bytes.length - overlap);
      const waits = this.#options.part({ path, bytes, binary, firstLine, from, to: last ? to + 1 : to, first: isFirst, last, file: state });
      if (waits) await waits;
      if (last) return;
      const keep = Math.max(0, to - context);
      firstLine += countLines(bytes.subarray(0, keep));
      from = to - keep;
      bytes = Buffer.concat([bytes.subarray(keep), decode(following, false)]);
      isFirst = false;
    }
  }

  #skip(state: FileState, skipped: Skipped): void {
    state.dirty = true;
    this.#options.skip(skipped);
  }
}
