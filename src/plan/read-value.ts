import { type Alias, isAlias, isMap, isScalar, isSeq, type Node, type Pair, type YAMLMap } from 'yaml';
import type { Finding, Place, Span } from './document.ts';
import { limits } from './limits.ts';
import type { Path } from './problem.ts';

/** `value` is null and `complete` false when a limit was passed. */
export type ReadValue = {
  readonly value: unknown;
  readonly place: Place;
  readonly findings: readonly Finding[];
  readonly complete: boolean;
};

/** Thrown inside this file to leave the walk when a limit is passed. */
class TooMuch extends Error {}

/** Turns YAML nodes into plain data with places; follows aliases, reports duplicated and odd keys. */
export function readValue(contents: Node | null, text: string): ReadValue {
  const reader = new Reader(text);
  const nothing: Place = { value: [0, 0], children: new Map() };
  if (contents === null) return { value: null, place: nothing, findings: [], complete: true };
  try {
    const { value, place } = reader.read(contents, []);
    return { value, place, findings: reader.findings, complete: true };
  } catch (error) {
    if (!(error instanceof TooMuch)) throw error;
    return { value: null, place: nothing, findings: reader.findings, complete: false };
  }
}

class Reader {
  readonly findings: Finding[] = [];
  readonly #text: string;
  readonly #anchors = new Map<string, Node>();
  readonly #open = new Set<Node>();
  #values = 0;
  #aliases = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(node: Node, path: Path, key?: Span): { value: unknown; place: Place } {
    const span = spanOf(node);
    if (++this.#values > limits.values) this.#stop('the file has too many values, or its aliases expand to too many', path, span);
    if (path.length > limits.depth) this.#stop(`nested more than ${limits.depth} deep`, path, span);
    if (isAlias(node)) return this.#alias(node, path, key);
    if ('anchor' in node && typeof node.anchor === 'string') this.#anchors.set(node.anchor, node);
    const at = key === undefined ? { value: span } : { key, value: span };
    if (isScalar(node)) return { value: node.value, place: { ...at, written: this.#text.slice(...span), children: new Map() } };
    this.#open.add(node);
    const children = new Map<string | number, Place>();
    let value: unknown = null;
    if (isSeq(node)) value = this.#list(node.items, path, children);
    else if (isMap(node)) value = this.#mapping(node, path, children);
    this.#open.delete(node);
    return { value, place: { ...at, children } };
  }

  #list(items: readonly unknown[], path: Path, children: Map<string | number, Place>): unknown[] {
    return items.map((item, index) => {
      // `[a: 1]` holds a bare pair, which YAML reads as a mapping of one entry; the composer has made it one already.
      const { value, place } = this.read(item as Node, [...path, index]);
      children.set(index, place);
      return value;
    });
  }

  #mapping(node: YAMLMap, path: Path, children: Map<string | number, Place>): Record<string, unknown> {
    const entries: [string, unknown][] = [];
    for (const pair of node.items as Pair<Node, Node | null>[]) {
      const span = spanOf(pair.key);
      const name = this.#keyName(pair.key, path, span);
      if (name === undefined) continue;
      if (children.has(name)) {
        this.findings.push({ message: `"${name.slice(0, 60)}" is given twice`, expected: 'each field once', path: [...path, name], span });
        continue;
      }
      const read =
        pair.value === null
          ? { value: null, place: { key: span, value: span, children: new Map() } }
          : this.read(pair.value, [...path, name], span);
      children.set(name, read.place);
      entries.push([name, read.value]);
    }
    return Object.fromEntries(entries);
  }

  #keyName(key: Node, path: Path, span: Span): string | undefined {
    if (!isScalar(key)) {
      this.findings.push({ message: 'a key must be plain text', path, span });
      return undefined;
    }
    if ('anchor' in key && typeof key.anchor === 'string') this.#anchors.set(key.anchor, key);
    const name = typeof key.value === 'string' ? key.value : this.#text.slice(...span);
    if (name === '<<' || name === '__proto__') {
      const expected = name === '<<' ? 'the fields themselves: YAML 1.2 has no merge keys' : 'another name';
      this.findings.push({ message: `"${name}" is not allowed as a key`, expected, path: [...path, name], span });
      return undefined;
    }
    return name;
  }

  #alias(node: Alias, path: Path, key?: Span): { value: unknown; place: Place } {
    const span = spanOf(node);
    if (++this.#aliases > limits.aliases) this.#stop(`more than ${limits.aliases} aliases`, path, span);
    const target = this.#anchors.get(node.source);
    if (target === undefined || this.#open.has(target)) {
      const message =
        target === undefined ? `no anchor "&${node.source.slice(0, 60)}" stands before this alias` : 'an alias cannot hold itself';
      this.findings.push({ message, path, span });
      return { value: null, place: { ...(key === undefined ? {} : { key }), value: span, children: new Map() } };
    }
    return this.read(target, path, key);
  }

  #stop(message: string, path: Path, span: Span): never {
    this.findings.push({ message, path, span });
    throw new TooMuch(message);
  }
}

function spanOf(node: Node): Span {
  const range = node.range;
  return range ? [range[0], range[1]] : [0, 0];
}
