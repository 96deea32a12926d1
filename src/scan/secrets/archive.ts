import { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { messageOf } from '../../kernel/error.ts';
import { zstdFrames } from '../../oci/zstd-frames.ts';
import type { Skipped } from '../coverage.ts';
import { tarEntries } from '../tar-entries.ts';
import { pieceBytes } from '../tree-source.ts';
import type { ScanLimits } from './limits.ts';
import { zipEntries } from './zip-entries.ts';

export type ArchiveKind = 'gzip' | 'zstd' | 'tar' | 'zip' | 'xz' | 'bzip2' | '7z' | 'rar';

const magics: readonly (readonly [kind: ArchiveKind, offset: number, magic: string])[] = [
  ['gzip', 0, '1f8b08'],
  ['zstd', 0, '28b52ffd'],
  ['zip', 0, '504b0304'],
  ['tar', 257, '7573746172'],
  ['xz', 0, 'fd377a585a00'],
  ['bzip2', 0, '425a68'],
  ['7z', 0, '377abcaf271c'],
  ['rar', 0, '526172211a07'],
];

/** By the first bytes; the name says nothing. */
export function archiveKind(bytes: Buffer): ArchiveKind | undefined {
  const found = magics.find(([, offset, magic]) => bytes.toString('hex', offset, offset + magic.length / 2) === magic);
  // `BZh` is text too: what follows is the magic of a block.
  if (found?.[0] === 'bzip2' && bytes.toString('hex', 4, 10) !== '314159265359') return undefined;
  return found?.[0];
}

/** What one archive of the tree may still unpack to, with every archive in it, and how it is told that it is used up. */
export type ArchiveBudget = { bytes: number; entries: number; readonly over: string };

export type ArchiveVisitor = {
  readonly limits: ScanLimits;
  readonly signal: AbortSignal;
  entry(path: string, pieces: AsyncIterable<Buffer>): Promise<void>;
  skip(skipped: Skipped): void;
};

class OverBudget extends Error {}

/**
 * Unpacks what this can unpack and gives each file of it to the visitor, one after another and in pieces: nothing is written down, and nothing but zip files is held whole.
 * What it cannot unpack, what is broken, and where a limit ended it, is told.
 */
export async function openArchive(
  kind: ArchiveKind,
  path: string,
  content: AsyncIterable<Buffer>,
  budget: ArchiveBudget,
  visitor: ArchiveVisitor,
): Promise<void> {
  try {
    switch (kind) {
      case 'gzip':
        return await inflate(content, createGunzip(), path, budget, visitor);
      case 'zstd':
        return await inflate(zstdFrames(content), createZstdDecompress(), path, budget, visitor);
      case 'tar':
        return await openTar(path, content, budget, visitor);
      case 'zip':
        return await openZip(path, content, budget, visitor);
      case 'xz':
      case 'bzip2':
      case '7z':
      case 'rar':
        visitor.skip({ path, reason: 'unknown-format', detail: `${kind} is not unpacked` });
        return undefined;
    }
  } catch (error) {
    if (visitor.signal.aborted) throw error;
    if (error instanceof OverBudget) visitor.skip({ path, reason: 'limit', detail: error.message });
    else visitor.skip({ path, reason: 'unreadable', detail: `a broken ${kind} file: ${messageOf(error).slice(0, 100)}` });
  }
}

async function inflate(
  content: AsyncIterable<Buffer>,
  through: ReturnType<typeof createGunzip> | ReturnType<typeof createZstdDecompress>,
  path: string,
  budget: ArchiveBudget,
  visitor: ArchiveVisitor,
): Promise<void> {
  // One piece at a time: by default sixteen would wait, a megabyte each.
  const source = Readable.from(content, { highWaterMark: 1 });
  source.on('error', (error) => through.destroy(error));
  source.pipe(through);
  const name = (path.split(/\/| → /).at(-1) ?? '').replace(/\.(?:t?gz|zst|z)$/i, '') || 'content';
  try {
    await visitor.entry(`${path} → ${/\.tgz$/i.test(path) ? `${name}.tar` : name}`, pieces(through, budget, visitor));
  } finally {
    source.destroy();
    through.destroy();
  }
}

async function openTar(path: string, content: AsyncIterable<Buffer>, budget: ArchiveBudget, visitor: ArchiveVisitor): Promise<void> {
  for await (const entry of tarEntries(content)) {
    takeEntry(budget, visitor);
    if (entry.kind === 'file') await visitor.entry(`${path} → ${entry.name}`, pieces(entry.content(), budget, visitor));
  }
}

async function openZip(path: string, content: AsyncIterable<Buffer>, budget: ArchiveBudget, visitor: ArchiveVisitor): Promise<void> {
  const held: Buffer[] = [];
  let size = 0;
  for await (const piece of content) {
    size += piece.length;
    if (size > visitor.limits.zipBytes) throw new OverBudget(`a zip file of more than ${visitor.limits.zipBytes} bytes`);
    held.push(piece);
  }
  for await (const entry of zipEntries(held)) {
    takeEntry(budget, visitor);
    const name = `${path} → ${entry.name}`;
    if (entry.content === undefined) visitor.skip({ path: name, reason: 'unknown-format', detail: entry.why });
    else await visitor.entry(name, pieces(entry.content(), budget, visitor));
  }
}

function takeEntry(budget: ArchiveBudget, { limits, signal }: ArchiveVisitor): void {
  signal.throwIfAborted();
  if (--budget.entries < 0) throw new OverBudget(`more than ${limits.archiveEntries} files in it`);
}

/** The same bytes in pieces of one size, as long as the budget lasts. */
async function* pieces(chunks: AsyncIterable<Buffer>, budget: ArchiveBudget, { signal }: ArchiveVisitor): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    budget.bytes -= chunk.length;
    if (budget.bytes < 0) throw new OverBudget(budget.over);
    held.push(chunk);
    size += chunk.length;
    if (size >= pieceBytes) {
      yield Buffer.concat(held, size);
      held = [];
      size = 0;
    }
  }
  yield Buffer.concat(held, size);
}
