import { WaybillError } from '../../kernel/error.ts';

type Node<T> = { children?: Map<string, Node<T>>; held?: T };

/** Names of folders and files on the way to what is kept: far more than any image has, and less than what would fill the memory. */
const mostNodes = 1_500_000;

/**
 * What is kept of a file system that layers make one after another (image-spec layer.md, "Applying Changesets"). Only what somebody wants to know is kept; that other
 * files come and replace it is noted and forgotten. What a whiteout hides is of the layers below, wherever it stands in its own.
 */
export class LastState<T> {
  /** Of the layers below the one that comes in. */
  #lower: Node<T> = {};
  /** Of that one. */
  #own: Node<T> = {};
  #nodes = 0;
  readonly #mostNodes: number;

  constructor(most = mostNodes) {
    this.#mostNodes = most;
  }

  /** Something stands at a path now, and nothing else does; a folder keeps what is in it. */
  bring(path: string, kind: 'folder' | 'other', held?: T): void {
    const names = path.split('/');
    for (const root of [this.#lower, this.#own]) {
      const node = find(root, names);
      if (!node) continue;
      delete node.held;
      if (kind === 'other') delete node.children;
    }
    if (held !== undefined) this.keep(path, held);
  }

  /** Keeps something at a path, whatever is there. */
  keep(path: string, held: T): void {
    let node = this.#own;
    for (const name of path.split('/')) {
      node.children ??= new Map();
      let next = node.children.get(name);
      if (!next) {
        if (++this.#nodes > this.#mostNodes)
          throw new WaybillError('LIMIT_EXCEEDED', `the image has too many packages and programs: over ${this.#mostNodes} names`);
        next = {};
        node.children.set(name, next);
      }
      node = next;
    }
    node.held = held;
  }

  /** What this layer has brought to a path. */
  own(path: string): T | undefined {
    return find(this.#own, path.split('/'))?.held;
  }

  /** A whiteout. */
  hide(path: string): void {
    const names = path.split('/');
    const name = names.pop() ?? '';
    find(this.#lower, names)?.children?.delete(name);
  }

  /** An opaque whiteout: a folder begins anew. The empty path is the root. */
  empty(folder: string): void {
    const node = folder === '' ? this.#lower : find(this.#lower, folder.split('/'));
    if (node) delete node.children;
  }

  /** The layer is complete. */
  close(): void {
    merge(this.#lower, this.#own);
    this.#own = {};
  }

  /** Of all that was closed. */
  get(path: string): T | undefined {
    return find(this.#lower, path.split('/'))?.held;
  }

  *entries(): Generator<readonly [path: string, held: T]> {
    const stack: [string, Node<T>][] = [['', this.#lower]];
    for (let top = stack.pop(); top; top = stack.pop()) {
      const [path, { held, children }] = top;
      if (held !== undefined) yield [path, held];
      for (const [name, child] of children ?? []) stack.push([path === '' ? name : `${path}/${name}`, child]);
    }
  }
}

function find<T>(root: Node<T>, names: readonly string[]): Node<T> | undefined {
  let node: Node<T> | undefined = root;
  for (const name of names) {
    node = node.children?.get(name);
    if (!node) return undefined;
  }
  return node;
}

/** Paths are at most 4,096 bytes long, and so is this deep at most half of it. */
function merge<T>(into: Node<T>, from: Node<T>): void {
  if (from.held !== undefined) into.held = from.held;
  for (const [name, child] of from.children ?? []) {
    const known = into.children?.get(name);
    if (known) merge(known, child);
    else (into.children ??= new Map()).set(name, child);
  }
}
