import { messageOf } from '../../kernel/error.ts';
import type { Inventory } from '../component.ts';
import type { Coverage } from '../coverage.ts';
import { SkipList } from '../skip-list.ts';
import { readWhole, type TreeSource } from '../tree-source.ts';
import { Gathering } from './gathering.ts';
import { whyUnread, type Reader } from './reader.ts';
import { installedReaders, sourceReaders } from './readers.ts';
import { Unlocked } from './unlocked.ts';

export type ReadInventory = { readonly inventory: Inventory; readonly coverage: Omit<Coverage, 'rules' | 'databases'> };

const inPackage = /(?:^|\/)(?:node_modules|site-packages|dist-packages)\//;

/**
 * What a tree consists of, by its lock files and what is installed in it. A file that cannot be read, or not understood, is a gap with its reason; the others are
 * read all the same. Equal trees give equal inventories.
 * @throws what the source throws, and what the signal aborts with
 */
export async function readInventory(options: {
  readonly source: TreeSource;
  readonly signal: AbortSignal;
  readonly onProgress?: (seen: { readonly files: number; readonly components: number }) => void;
  readonly readers?: readonly Reader[];
}): Promise<ReadInventory> {
  const { source, signal, onProgress, readers: all = sourceReaders } = options;
  const skips = new SkipList();
  const gathering = new Gathering();
  const unlocked = new Unlocked();
  let files = 0;
  let bytes = 0;
  // What the source leaves out is told where it would have been read.
  const skip = (skipped: Parameters<typeof skips.add>[0]) => {
    if (
      skipped.reason !== 'binary' &&
      skipped.reason !== 'excluded' &&
      all.some((reader) => reader.wants(skipped.path)) &&
      !inPackage.test(skipped.path)
    )
      skips.add(skipped);
  };
  for await (const file of source.files({ signal, skip })) {
    // Lock files of packages that are installed have no effect.
    const within = inPackage.test(file.path);
    for (const reader of all) {
      if (!reader.wants(file.path) || (within && !installedReaders.includes(reader))) continue;
      try {
        const content = reader.limit === Number.MAX_SAFE_INTEGER ? Buffer.alloc(0) : await readWhole(file, reader.limit);
        files++;
        bytes += content.length;
        unlocked.saw(file.path);
        const reading = reader.read(content, file.path);
        if (reading.lacks) unlocked.lacks(file.path, reading.lacks);
        if (reading.fills) unlocked.fills(file.path, reading);
        else gathering.add(reading);
        for (const skipped of reading.skipped) skips.add(skipped);
      } catch (error) {
        signal.throwIfAborted();
        const tooLarge = error instanceof Error && 'code' in error && error.code === 'LIMIT_EXCEEDED';
        skips.add({
          path: file.path,
          reason: tooLarge ? 'limit' : 'unknown-format',
          detail: tooLarge ? messageOf(error) : `it cannot be read as ${reader.what}: ${whyUnread(error)}`,
        });
      }
      onProgress?.({ files, components: gathering.size });
      break;
    }
  }
  const { fillings, gaps } = unlocked.settled();
  for (const filling of fillings) gathering.add(filling);
  for (const gap of gaps) skips.add(gap);
  const inventory = gathering.inventory();
  return { inventory, coverage: { files, bytes, components: inventory.components.length, ...skips.coverage } };
}
