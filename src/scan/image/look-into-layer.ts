import { createHash } from 'node:crypto';
import { WaybillError, isWaybillError } from '../../kernel/error.ts';
import type { Skipped } from '../coverage.ts';
import { whyUnread, type Reader, type Reading } from '../dependencies/reader.ts';
import type { TreeFile, TreeSource } from '../tree-source.ts';
import { habitsOf, type Habit } from './habits.ts';
import { isNamedOnly, probesFor, readerFor } from './image-readers.ts';
import type { LastState } from './last-state.ts';
import { layerEntries, rooted, type LayerBudget, type LayerEntry } from './layer-files.ts';
import type { ImageLayer } from './layered-image.ts';
import { isOsRelease, largestOsRelease, parseOsRelease, type OsRelease } from './os-release.ts';
import type { FileSums } from './package-files.ts';
import type { Probe } from './probes/probe.ts';

/** What is known of one file of an image. */
export type Seen = {
  readonly layer: ImageLayer;
  readonly readings: readonly Reading[];
  /** What could not be read of it. */
  readonly skipped: readonly Skipped[];
  readonly habits: readonly Habit[];
  readonly release?: OsRelease;
  /** Of a program or archive, where `readings` may have gaps since it does not say what it consists of. */
  readonly sums?: FileSums;
  /** Of a symbolic link, as it is written. */
  readonly link?: string;
};

/** Where package managers keep their databases and packages, and the folders above: if one is a link to somewhere else, nobody has looked there. */
const watchedLinks =
  /^(?:var(?:\/lib(?:\/dpkg(?:\/status(?:\.d)?)?)?)?|(?:usr\/)?lib(?:\/apk(?:\/db(?:\/installed)?)?)?|usr|etc|(?:etc|usr\/lib)\/os-release|(?:.*\/)?(?:node_modules|site-packages|dist-packages))$/;

type Pending = { readonly path: string; readonly target: string; readonly reader: Reader | undefined };

/**
 * One layer, as files for whoever looks for credentials, while it changes the state of the file system by what the layer brings and hides.
 * Hard links to files that are known by the link's name alone are read in a second pass, by `resolveLinks`.
 */
export class LayerLook {
  readonly #layer: ImageLayer;
  readonly #state: LastState<Seen>;
  readonly #budget: LayerBudget;
  readonly #pending: Pending[] = [];

  constructor(layer: ImageLayer, state: LastState<Seen>, budget: LayerBudget) {
    this.#layer = layer;
    this.#state = state;
    this.#budget = budget;
  }

  get source(): TreeSource {
    return { what: `the layer ${this.#layer.digest}`, files: ({ signal }) => this.#files(signal) };
  }

  async *#files(signal: AbortSignal): AsyncGenerator<TreeFile> {
    for await (const entry of this.#entries(signal)) {
      if (entry.path === '') continue;
      if (this.#hidden(entry.path)) {
        // A runtime does not unpack it, and whoever pulls the layer has it all the same.
        if (entry.kind === 'file' && entry.size > 0) yield { path: entry.path, size: entry.size, pieces: () => entry.pieces() };
        continue;
      }
      switch (entry.kind) {
        case 'folder':
          this.#state.bring(entry.path, 'folder');
          continue;
        case 'device':
          this.#state.bring(entry.path, 'other');
          continue;
        case 'symlink':
          this.#state.bring(entry.path, 'other', watchedLinks.test(entry.path) ? this.#seen({ link: entry.link }) : undefined);
          continue;
        case 'hard link':
          this.#hardLink(entry);
          continue;
        case 'file':
          yield* this.#file(entry);
      }
    }
  }

  async *#entries(signal: AbortSignal): AsyncGenerator<LayerEntry> {
    yield* layerEntries(await this.#layer.open(), this.#layer.mediaType, signal, this.#budget);
  }

  /** Whether it is a whiteout (image-spec layer.md, "Whiteouts"). */
  #hidden(path: string): boolean {
    const slash = path.lastIndexOf('/');
    const base = path.slice(slash + 1);
    if (!base.startsWith('.wh.')) return false;
    const folder = slash === -1 ? '' : path.slice(0, slash);
    const name = base.slice('.wh.'.length);
    if (name === '.wh..opq') this.#state.empty(folder);
    else if (name === '' || name === '.' || name === '..') throw new WaybillError('INVALID_INPUT', `a whiteout without a name: ${path}`);
    // What AUFS kept for itself hides nothing.
    else if (!name.startsWith('.wh.')) this.#state.hide(folder === '' ? name : `${folder}/${name}`);
    return true;
  }

  async *#file(entry: LayerEntry): AsyncGenerator<TreeFile> {
    const { path, size } = entry;
    const habits = habitsOf(path, entry.mode);
    const reader = readerFor(path);
    const isRelease = isOsRelease(path);
    const wanted = isRelease ? largestOsRelease : reader && !isNamedOnly(reader) ? reader.limit : 0;
    if (wanted > 0 && size <= wanted) {
      const content = await whole(entry);
      const read = reader ? readWith(reader, content, path) : nothingRead;
      this.#bring(path, { ...read, habits, ...(isRelease ? { release: parseOsRelease(content.toString('utf8')) } : {}) });
      yield { path, size: content.length, pieces: () => [content] };
      return;
    }
    let probes: readonly Probe[] | undefined;
    let hashes: Sums | undefined;
    let failed: unknown;
    const see = (piece: Buffer) => {
      if (!probes) {
        probes = probesFor(path, piece);
        if (probes.some(({ mayBeOpaque }) => mayBeOpaque)) hashes = new Sums();
      }
      hashes?.add(piece);
      for (const probe of probes) probe.add(piece);
    };
    async function* tapped(): AsyncGenerator<Buffer> {
      const pieces = entry.pieces()[Symbol.asyncIterator]();
      let ended = false;
      const next = async () => {
        const { done, value } = await pieces.next();
        ended = done === true;
        return ended ? undefined : (value as Buffer);
      };
      try {
        for (let piece = await next(); piece; piece = await next()) {
          see(piece);
          yield piece;
        }
      } catch (error) {
        failed = error;
        throw error;
      } finally {
        // Whoever has enough of it does not decide for the others.
        if (failed === undefined && probes?.length !== 0)
          for (let piece = ended ? undefined : await next(); piece; piece = await next()) see(piece);
      }
    }
    yield { path, size, pieces: () => tapped() };
    // A layer that breaks off is not one file that cannot be read.
    if (failed !== undefined) throw failed;
    const skipped: Skipped[] =
      wanted > 0 ? [{ path, reason: 'limit', detail: `${reader?.what ?? 'a file'} of ${size} bytes is larger than ${wanted}` }] : [];
    const read = reader && isNamedOnly(reader) ? readWith(reader, Buffer.alloc(0), path) : nothingRead;
    const readings = [...read.readings];
    for (const probe of probes ?? []) readings.push(await probe.end());
    const isOpaque = hashes !== undefined && readings.some((reading) => reading.skipped.length > 0);
    this.#bring(path, { readings, skipped: [...skipped, ...read.skipped], habits, ...(hashes && isOpaque ? { sums: hashes.end() } : {}) });
  }

  /** Content that an entry before it has brought: what is known of that is known of the link. */
  #hardLink({ path, link, mode }: LayerEntry): void {
    const target = rooted(link);
    const known = this.#state.own(target);
    const reader = readerFor(path);
    this.#bring(path, {
      readings: reader && reader !== readerFor(target) ? [] : (known?.readings ?? []).map((reading) => moved(reading, path)),
      skipped: (known?.skipped ?? []).map((skipped) => ({ ...skipped, path })),
      habits: habitsOf(path, mode),
      ...(known?.sums ? { sums: known.sums } : {}),
    });
    if ((reader && !(known && reader === readerFor(target))) || (isOsRelease(path) && !known?.release))
      this.#pending.push({ path, target, reader });
  }

  /** Reads what hard links of this layer lead to, where it was not known when it came by that it would be wanted. */
  async resolveLinks(signal: AbortSignal): Promise<void> {
    if (this.#pending.length === 0) return;
    const byTarget = Map.groupBy(this.#pending, ({ target }) => target);
    for await (const entry of this.#entries(signal)) {
      const links = entry.kind === 'file' ? byTarget.get(entry.path) : undefined;
      if (!links) continue;
      byTarget.delete(entry.path);
      const limit = Math.max(largestOsRelease, ...links.map(({ reader }) => (reader && !isNamedOnly(reader) ? reader.limit : 0)));
      if (entry.size > limit) {
        for (const { path } of links) this.#amend(path, gap(path, 'limit', `it has ${entry.size} bytes, more than ${limit}`));
        continue;
      }
      const content = await whole(entry);
      for (const { path, reader } of links)
        this.#amend(path, {
          ...(reader ? readWith(reader, content, path) : nothingRead),
          ...(isOsRelease(path) ? { release: parseOsRelease(content.toString('utf8')) } : {}),
        });
    }
    for (const [target, links] of byTarget)
      for (const { path } of links) this.#amend(path, gap(path, 'unreadable', `a hard link to ${target}, which is no file of its layer`));
  }

  /** Remembers a file of this layer of which something else will have to be told. */
  mark(path: string): void {
    if (!this.#state.own(path)) this.#state.keep(path, this.#seen({}));
  }

  #amend(path: string, more: Partial<Seen>): void {
    const known = this.#state.own(path);
    // Whatever came after it in the layer stands there now.
    if (known) this.#state.keep(path, { ...known, ...more });
  }

  #bring(path: string, more: Pick<Seen, 'readings' | 'skipped' | 'habits'> & Partial<Seen>): void {
    const readings = more.readings
      .map((reading) => this.#withinBudget(reading))
      .filter(({ components, needs, skipped, files }) => files !== undefined || components.length + needs.length + skipped.length > 0);
    const isWanted = readings.length + more.skipped.length + more.habits.length > 0 || more.release !== undefined || readerFor(path);
    this.#state.bring(path, 'other', isWanted ? this.#seen({ ...more, readings }) : undefined);
  }

  /** A list of files that is one too many is not kept: what it would answer for stays a gap. */
  #withinBudget(reading: Reading): Reading {
    if (!reading.files) return reading;
    const left = (this.#budget.lists ?? 0) - reading.files.text.length;
    if (left >= 0) {
      this.#budget.lists = left;
      return reading;
    }
    const { files: _, ...rest } = reading;
    return rest;
  }

  #seen(more: Partial<Seen>): Seen {
    return { layer: this.#layer, readings: [], skipped: [], habits: [], ...more };
  }
}

/** Both, since it is not known yet which package manager may know the file. */
class Sums {
  readonly #md5 = createHash('md5');
  readonly #sha1 = createHash('sha1');

  add(piece: Buffer): void {
    this.#md5.update(piece);
    this.#sha1.update(piece);
  }

  end(): FileSums {
    return { md5: this.#md5.digest('hex'), sha1: this.#sha1.digest('hex') };
  }
}

const nothingRead = { readings: [], skipped: [] } as const;

function gap(path: string, reason: Skipped['reason'], detail: string): Pick<Seen, 'readings' | 'skipped'> {
  return { readings: [], skipped: [{ path, reason, detail }] };
}

function readWith(reader: Reader, content: Buffer, path: string): Pick<Seen, 'readings' | 'skipped'> {
  try {
    return { readings: [reader.read(content, path)], skipped: [] };
  } catch (error) {
    if (isWaybillError(error, 'CANCELLED')) throw error;
    return gap(path, 'unknown-format', `it cannot be read as ${reader.what}: ${whyUnread(error)}`);
  }
}

function moved(reading: Reading, path: string): Reading {
  const to = <P extends { readonly path: string }>(place: P): P => ({ ...place, path: place.path.replace(/^.*?(?= → |$)/s, () => path) });
  return {
    ...reading,
    components: reading.components.map((component) => ({ ...component, places: component.places.map(to) })),
    skipped: reading.skipped.map(to),
  };
}

async function whole(entry: LayerEntry): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of entry.pieces()) pieces.push(piece);
  return Buffer.concat(pieces);
}
