import { fromBuffer, type Entry, type ZipFile } from 'yauzl';
import type { Readable } from 'node:stream';
import { messageOf } from '../../../kernel/error.ts';
import type { Component } from '../../component.ts';
import type { Skipped } from '../../coverage.ts';
import { purlOf } from '../../dependencies/purl.ts';
import type { Reading } from '../../dependencies/reader.ts';
import { nothing, type Probe, type ProbeKind } from './probe.ts';
import { nextZipEntry } from '../../next-zip-entry.ts';

const mib = 1024 * 1024;
export type JarLimits = {
  /** Of an archive, which is held whole; the outer one and one in it at a time on each level. */
  readonly jarBytes: number;
  /** Of everything that is unpacked of one outer archive. */
  readonly unpackedBytes: number;
  readonly entries: number;
  /** A jar in a war in an ear. */
  readonly depth: number;
};
export const jarLimits: JarLimits = { jarBytes: 128 * mib, unpackedBytes: 512 * mib, entries: 200_000, depth: 3 };
const largestProperties = 64 * 1024;

/**
 * Java archives by what Maven writes into them (META-INF/maven/GROUP/ARTIFACT/pom.properties), those in them too, as fat jars and application servers have them.
 * One with classes and without is a gap: nothing exact says what it is.
 */
export function jarProbe(limits = jarLimits): ProbeKind {
  return (path, first) =>
    /\.(?:jar|war|ear|par|sar|jpi|hpi)$/i.test(path) && first.toString('hex', 0, 4) === '504b0304' ? new JarProbe(path, limits) : undefined;
}

class JarProbe implements Probe {
  readonly mayBeOpaque = true;
  readonly #path: string;
  readonly #limits: JarLimits;
  #held: Buffer[] = [];
  #size = 0;

  constructor(path: string, limits: JarLimits) {
    this.#path = path;
    this.#limits = limits;
  }

  add(piece: Buffer): void {
    this.#size += piece.length;
    if (this.#size <= this.#limits.jarBytes) this.#held.push(piece);
    else this.#held = [];
  }

  async end(): Promise<Reading> {
    if (this.#size > this.#limits.jarBytes)
      return { ...nothing, skipped: [{ path: this.#path, reason: 'limit', detail: `a Java archive of ${this.#size} bytes` }] };
    const bytes = Buffer.concat(this.#held, this.#size);
    this.#held = [];
    const found: { components: Component[]; skipped: Skipped[] } = { components: [], skipped: [] };
    const budget = { bytes: this.#limits.unpackedBytes, entries: this.#limits.entries };
    try {
      await readJar(this.#path, bytes, 1, { budget, limits: this.#limits, ...found });
    } catch (error) {
      const over = error instanceof OverBudget;
      found.skipped.push({
        path: this.#path,
        reason: over ? 'limit' : 'unreadable',
        detail: over ? error.message : `a damaged Java archive: ${messageOf(error).slice(0, 100)}`,
      });
    }
    return { ...found, needs: [], installed: true };
  }
}

class OverBudget extends Error {}

type Walk = {
  readonly budget: { bytes: number; entries: number };
  readonly limits: JarLimits;
  readonly components: Component[];
  readonly skipped: Skipped[];
};

async function readJar(path: string, bytes: Buffer, depth: number, walk: Walk): Promise<void> {
  const zip = await new Promise<ZipFile>((resolve, reject) => {
    fromBuffer(bytes, { lazyEntries: true, autoClose: false, strictFileNames: false }, (error, opened) =>
      opened ? resolve(opened) : reject(error ?? new Error('it cannot be opened')),
    );
  });
  let named = false;
  let classes = false;
  for (;;) {
    const entry = await nextZipEntry(zip);
    if (!entry) break;
    if (--walk.budget.entries < 0) throw new OverBudget(`a Java archive with more than ${walk.limits.entries} files in it`);
    const name = entry.fileName;
    if (name.endsWith('.class')) classes = true;
    const isProperties = /^META-INF\/maven\/[^/]+\/[^/]+\/pom\.properties$/.test(name);
    const isJar = /\.(?:jar|war|rar)$/i.test(name);
    if (!isProperties && !isJar) continue;
    const inside = `${path} → ${name}`;
    if (isJar && depth >= walk.limits.depth) {
      walk.skipped.push({ path: inside, reason: 'limit', detail: `Java archives are opened ${walk.limits.depth} deep` });
      continue;
    }
    const content = await contentOf(zip, entry, isJar ? walk.limits.jarBytes : largestProperties, walk);
    if (isJar) {
      try {
        await readJar(inside, content, depth + 1, walk);
      } catch (error) {
        if (error instanceof OverBudget) throw error;
        walk.skipped.push({ path: inside, reason: 'unreadable', detail: `a damaged Java archive: ${messageOf(error).slice(0, 100)}` });
      }
      continue;
    }
    const component = mavenComponent(content.toString('utf8'), inside);
    if (!component) continue;
    named = true;
    walk.components.push(component);
  }
  if (classes && !named)
    walk.skipped.push({
      path,
      reason: 'unknown-format',
      detail: 'a Java archive that does not say what it is: there is no pom.properties of Maven in it',
    });
}

/** java.util.Properties, as far as Maven's archiver uses it: `key=value` lines and comments. */
function mavenComponent(text: string, path: string): Component | undefined {
  const fields = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const [, key, value] = /^\s*(groupId|artifactId|version)\s*[=:]\s*(\S+)\s*$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) fields.set(key, value);
  }
  const [group, artifact, version] = [fields.get('groupId'), fields.get('artifactId'), fields.get('version')];
  if (group === undefined || artifact === undefined || version === undefined) return undefined;
  const name = `${group}:${artifact}`;
  return {
    purl: purlOf('maven', name, version),
    ecosystem: 'Maven',
    name,
    version,
    scope: 'runtime',
    hashes: [],
    places: [{ path }],
  };
}

async function contentOf(zip: ZipFile, entry: Entry, most: number, { budget, limits }: Walk): Promise<Buffer> {
  if (entry.isEncrypted()) throw new Error(`${entry.fileName} is encrypted`);
  const stream = await new Promise<Readable>((resolve, reject) => {
    zip.openReadStream(entry, (error, opened) => (opened ? resolve(opened) : reject(error ?? new Error('it cannot be read'))));
  });
  const held: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      size += chunk.length;
      budget.bytes -= chunk.length;
      if (budget.bytes < 0) throw new OverBudget(`a Java archive that unpacks to more than ${limits.unpackedBytes} bytes`);
      if (size > most) throw new OverBudget(`${entry.fileName} in it is larger than ${most} bytes`);
      held.push(chunk);
    }
  } finally {
    stream.destroy();
  }
  return Buffer.concat(held, size);
}
