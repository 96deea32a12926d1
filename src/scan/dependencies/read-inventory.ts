import { messageOf } from '../../kernel/error.ts';
import type { Component, Inventory } from '../component.ts';
import type { Coverage } from '../coverage.ts';
import type { Place } from '../finding.ts';
import { SkipList } from '../skip-list.ts';
import { readWhole, type TreeSource } from '../tree-source.ts';
import type { Reader, Reading } from './reader.ts';
import { installedReaders, readers } from './readers.ts';

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
  const { source, signal, onProgress, readers: all = readers } = options;
  const skips = new SkipList();
  const gathering = new Gathering();
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
        const reading = reader.read(content, file.path);
        gathering.add(reading);
        for (const skipped of reading.skipped) skips.add(skipped);
      } catch (error) {
        signal.throwIfAborted();
        const tooLarge = error instanceof Error && 'code' in error && error.code === 'LIMIT_EXCEEDED';
        skips.add({
          path: file.path,
          reason: tooLarge ? 'limit' : 'unknown-format',
          detail: tooLarge ? messageOf(error) : `it cannot be read as ${reader.what}: ${messageOf(error).slice(0, 300)}`,
        });
      }
      onProgress?.({ files, components: gathering.size });
      break;
    }
  }
  const inventory = gathering.inventory();
  return { inventory, coverage: { files, bytes, components: inventory.components.length, ...skips.coverage } };
}

const mostPlaces = 100;

/** One component for each purl, however many files name it. */
class Gathering {
  readonly #locked = new Map<string, Component>();
  readonly #installed = new Map<string, Component>();
  readonly #needs = new Map<string, Set<string>>();

  get size(): number {
    return this.#locked.size + this.#installed.size;
  }

  add({ components, needs, installed }: Reading): void {
    const all = installed ? this.#installed : this.#locked;
    for (const component of components) {
      const known = all.get(component.purl);
      all.set(component.purl, known ? merge(known, component) : component);
    }
    for (const [from, to] of needs) {
      const known = this.#needs.get(from) ?? new Set<string>();
      for (const target of to) known.add(target);
      this.#needs.set(from, known);
    }
  }

  inventory(): Inventory {
    const all = new Map(this.#locked);
    for (const [purl, component] of this.#installed) {
      const locked = all.get(purl);
      all.set(purl, locked ? merge(locked, { ...component, scope: locked.scope }) : component);
    }
    const components = [...all.values()].sort((a, b) => (a.purl < b.purl ? -1 : 1));
    const needs = [...this.#needs].filter(([from, to]) => to.size > 0 || from.startsWith('.')).sort(([a], [b]) => (a < b ? -1 : 1));
    return { components, needs: new Map(needs.map(([from, to]) => [from, [...to].sort()])) };
  }
}

const scopes = { runtime: 0, optional: 1, development: 2 } as const;

/** The more it matters, the more it counts: used at run time by one of two projects is used at run time. */
function merge(a: Component, b: Component): Component {
  const places = new Map<string, Place>([...a.places, ...b.places].map((place) => [JSON.stringify(place), place]));
  const hashes = new Map([...a.hashes, ...b.hashes].map((hash) => [`${hash.algorithm}:${hash.hex}`, hash]));
  return {
    ...a,
    scope: scopes[a.scope] <= scopes[b.scope] ? a.scope : b.scope,
    hashes: [...hashes.values()],
    places: [...places.values()].slice(0, mostPlaces),
  };
}
