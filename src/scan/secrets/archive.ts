import { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { extract } from 'tar-stream';
import { fromBuffer, type Entry, type ZipFile } from 'yauzl';
import { messageOf } from '../../kernel/error.ts';
import { zstdFrames } from '../../oci/zstd-frames.ts';
import type { Skipped } from '../coverage.ts';
import { pieceBytes } from '../tree-source.ts';
import type { ScanLimits } from './limits.ts';

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

/** What one archive of the tree may still unpack to, with every archive in it. */
export type ArchiveBudget = { bytes: number; entries: number };

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
  const source = Readable.from(content);
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
  const tar = extract();
  const source = Readable.from(content);
  source.on('error', (error) => tar.destroy(error));
  source.pipe(tar);
  try {
    for await (const entry of tar) {
      takeEntry(budget, visitor);
      if (entry.header.type === 'file' || entry.header.type === 'contiguous-file')
        await visitor.entry(`${path} → ${entry.header.name}`, pieces(entry as AsyncIterable<Buffer>, budget, visitor));
      entry.resume();
    }
  } finally {
    source.destroy();
    tar.destroy();
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
  const zip = await new Promise<ZipFile>((resolve, reject) => {
    fromBuffer(Buffer.concat(held, size), { lazyEntries: true, autoClose: false, strictFileNames: false }, (error, opened) =>
      opened ? resolve(opened) : reject(error ?? new Error('it cannot be opened')),
    );
  });
  for (;;) {
    const entry = await nextEntry(zip);
    if (!entry) return;
    takeEntry(budget, visitor);
    const name = `${path} → ${entry.fileName}`;
    if (entry.fileName.endsWith('/')) continue;
    if (entry.isEncrypted()) visitor.skip({ path: name, reason: 'unknown-format', detail: 'it is encrypted' });
    else if (entry.compressionMethod !== 0 && entry.compressionMethod !== 8)
      visitor.skip({ path: name, reason: 'unknown-format', detail: `zip method ${entry.compressionMethod} is not unpacked` });
    else {
      const stream = await new Promise<Readable>((resolve, reject) => {
        zip.openReadStream(entry, (error, opened) => (opened ? resolve(opened) : reject(error ?? new Error('it cannot be read'))));
      });
      try {
        await visitor.entry(name, pieces(stream as AsyncIterable<Buffer>, budget, visitor));
      } finally {
        stream.destroy();
      }
    }
  }
}

function nextEntry(zip: ZipFile): Promise<Entry | undefined> {
  return new Promise((resolve, reject) => {
    const done = (act: () => void) => {
      zip.removeAllListeners();
      act();
    };
    zip.once('entry', (entry) => done(() => resolve(entry)));
    zip.once('end', () => done(() => resolve(undefined)));
    zip.once('error', (error: Error) => done(() => reject(error)));
    zip.readEntry();
  });
}

function takeEntry(budget: ArchiveBudget, { limits, signal }: ArchiveVisitor): void {
  signal.throwIfAborted();
  if (--budget.entries < 0) throw new OverBudget(`more than ${limits.archiveEntries} files in it`);
}

/** The same bytes in pieces of one size, as long as the budget lasts. */
async function* pieces(chunks: AsyncIterable<Buffer>, budget: ArchiveBudget, { limits, signal }: ArchiveVisitor): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    budget.bytes -= chunk.length;
    if (budget.bytes < 0) throw new OverBudget(`it unpacks to more than ${limits.unpackedBytes} bytes`);
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
