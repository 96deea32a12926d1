import { isUtf8 } from 'node:buffer';
import { WaybillError } from '../../kernel/error.ts';
import type { LayerLimits } from './limits.ts';
import type { FileEntry, Tree, TreeChild, TreeFolder } from './tree.ts';

/** What stands in a layer's tar: `path` relative to the image's root, no slash at either end. */
export type LayerEntry =
  | { readonly type: 'folder'; readonly path: string; readonly mode: number }
  | { readonly type: 'symlink'; readonly path: string; readonly target: string }
  | { readonly type: 'file'; readonly path: string; readonly file: FileEntry };

export type WalkOptions = {
  /** Path in the tree; `.` for all of it. */
  readonly from: string;
  /** Absolute path in the image. A file goes to this very path, or into it when it ends with `/`. */
  readonly to: string;
  /** Folders above `to` get an entry of their own. Not over a base image, where they may be links, or have other modes (/bin, /tmp). */
  readonly parents: boolean;
  readonly limits: LayerLimits;
};

/**
 * Everything of `from` as it stands at `to`, sorted by the bytes of its path (folders with their trailing slash, as a tar names them).
 * @throws WaybillError NOT_FOUND when `from` is missing; IMAGE_LAYER_INVALID for links on the way to `from`, sockets, devices, whiteouts
 */
export function* walk(tree: Tree, options: WalkOptions): Generator<LayerEntry> {
  const { from, to, limits } = options;
  const names = partsOf(from, 'from');
  const target = partsOf(to, 'to');
  if (!to.startsWith('/')) throw invalid(`\`to: ${to}\` must be an absolute path`);
  using folders = new DisposableStack();
  let here = folders.use(tree.root());
  let found: TreeChild | undefined;
  for (const [index, name] of names.entries()) {
    const shown = names.slice(0, index + 1).join('/');
    found = here.children().find((child) => child.name === name && !isUndecoded(child));
    if (found === undefined)
      throw new WaybillError('NOT_FOUND', `there is no ${JSON.stringify(shown)}`, {
        fix: 'Correct `from`, or make it with `after` commands.',
      });
    if (found.type === 'symlink')
      throw invalid(`${JSON.stringify(shown)} is a symbolic link, which \`from\` may not lead through; name what it points to`);
    if (found.type === 'folder') here = folders.use(found.open());
    else if (index < names.length - 1) throw invalid(`${JSON.stringify(shown)} is no folder`);
  }
  const counted = new Counter(limits);
  const isFolder = found === undefined || found.type === 'folder';
  if (!isFolder && (to.endsWith('/') || target.length === 0)) target.push(names.at(-1) ?? '');
  const own = found?.type === 'folder' ? found.mode : 0o755;
  for (let depth = 1; depth < target.length + (isFolder ? 1 : 0); depth++) {
    if (options.parents || depth === target.length)
      yield counted.entry({ type: 'folder', path: target.slice(0, depth).join('/'), mode: depth === target.length ? own : 0o755 });
  }
  if (isFolder) yield* walkFolder(here, target.join('/'), counted, limits);
  else if (found !== undefined) yield entryOf(found, target.join('/'), counted, limits);
}

/** A folder that is being read, and what of it has not come yet; listed when its turn comes. */
type Level = { readonly folder: TreeFolder; readonly path: string; children?: Iterator<TreeChild> };

/** One loop over a stack instead of generators within generators, where every entry would climb through all levels above it. */
function* walkFolder(top: TreeFolder, path: string, counted: Counter, limits: LayerLimits): Generator<LayerEntry> {
  const levels: Level[] = [{ folder: top, path }];
  try {
    for (let level = levels.at(-1); level; level = levels.at(-1)) {
      level.children ??= sorted(level.folder);
      const next = level.children.next();
      if (next.done) {
        // The first one belongs to the caller.
        if (levels.length > 1) level.folder[Symbol.dispose]();
        levels.pop();
        continue;
      }
      const child = next.value;
      const at = level.path === '' ? child.name : `${level.path}/${child.name}`;
      yield entryOf(child, at, counted, limits);
      if (child.type !== 'folder') continue;
      if (levels.length > limits.depth)
        throw new WaybillError('LIMIT_EXCEEDED', `${JSON.stringify(at)} lies deeper than ${limits.depth} folders`);
      levels.push({ folder: child.open(), path: at });
    }
  } finally {
    for (const { folder } of levels.slice(1).toReversed()) folder[Symbol.dispose]();
  }
}

/** By the bytes of their names, a folder's with a slash behind it: the order of JavaScript's strings unless surrogates meet what comes after them. */
function sorted(folder: TreeFolder): Iterator<TreeChild> {
  const children = [...folder.children()];
  const key = (child: TreeChild) => (child.type === 'folder' ? `${child.name}/` : child.name);
  if (children.some(({ name }) => beyond.test(name))) children.sort((a, b) => Buffer.compare(Buffer.from(key(a)), Buffer.from(key(b))));
  else children.sort((a, b) => (key(a) < key(b) ? -1 : 1));
  return children.values();
}

const beyond = /[\ud800-\uffff]/;

/** Such a child has no name that could be asked for. */
function isUndecoded(child: TreeChild): boolean {
  return child.type === 'other' && child.name.includes('\uFFFD');
}

function entryOf(child: TreeChild, path: string, counted: Counter, limits: LayerLimits): LayerEntry {
  // OCI image-spec, layer.md "Whiteouts": such a name would delete files of the layers below.
  if (child.name.startsWith('.wh.')) throw invalid(`${JSON.stringify(path)} begins with \`.wh.\`, which means a deletion in an image`);
  switch (child.type) {
    case 'folder':
      return counted.entry({ type: 'folder', path, mode: child.mode });
    case 'symlink': {
      const target = child.target();
      if (!isUtf8(target) || target.length === 0 || target.length > limits.path || target.includes(0)) {
        throw invalid(`${JSON.stringify(path)} is a symbolic link whose target is no valid text`);
      }
      return counted.entry({ type: 'symlink', path, target: target.toString('utf8') });
    }
    case 'file':
      counted.bytes(child.size, path);
      return counted.entry({ type: 'file', path, file: child });
    case 'other':
      throw invalid(`${JSON.stringify(path)} is a ${child.what}; an image holds files, folders and symbolic links`);
  }
}

class Counter {
  readonly #limits: LayerLimits;
  #entries = 0;
  #bytes = 0;

  constructor(limits: LayerLimits) {
    this.#limits = limits;
  }

  entry(entry: LayerEntry): LayerEntry {
    if (++this.#entries > this.#limits.entries) throw new WaybillError('LIMIT_EXCEEDED', `more than ${this.#limits.entries} files`);
    if (Buffer.byteLength(entry.path) > this.#limits.path) {
      throw new WaybillError(
        'LIMIT_EXCEEDED',
        `a path is longer than ${this.#limits.path} bytes: ${JSON.stringify(entry.path.slice(0, 100))}…`,
      );
    }
    return entry;
  }

  bytes(size: number, path: string): void {
    this.#bytes += size;
    if (this.#bytes > this.#limits.bytes)
      throw new WaybillError('LIMIT_EXCEEDED', `more than ${this.#limits.bytes} bytes, at ${JSON.stringify(path)}`);
  }
}

/** Names of a path; empty for `.` and `/`. */
function partsOf(path: string, field: string): string[] {
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  if (names.includes('..') || path.includes('\0')) throw invalid(`\`${field}: ${path}\` must not hold \`..\``);
  if (field === 'from' && path.startsWith('/')) throw invalid(`\`from: ${path}\` must be a path in the tree`);
  return names;
}

function invalid(detail: string): WaybillError {
  return new WaybillError('IMAGE_LAYER_INVALID', detail);
}
