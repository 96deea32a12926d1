import type { FileSource } from './file-source.ts';

/**
 * What a layer is made from: a folder of a source tree, wherever it lies. Two implementations: the tar of a commit (tar-tree.ts) and a
 * folder on disk that a build sandbox wrote (folder-tree.ts, hostile until proved otherwise). Neither follows a symbolic link, ever.
 * Everything here is synchronous: callers take small bites (a block of a tar) and give the event loop its turn between them.
 */
export type TreeFolder = Disposable & {
  /** In no particular order; each name once. A name that is no UTF-8 comes as `other`, with what can be shown of it. */
  children(): readonly TreeChild[];
};

export type TreeChild =
  | { readonly type: 'folder'; readonly name: string; readonly mode: number; open(): TreeFolder }
  | ({ readonly type: 'file'; readonly name: string } & FileEntry)
  | { readonly type: 'symlink'; readonly name: string; target(): Buffer }
  | { readonly type: 'other'; readonly name: string; readonly what: string };

export type FileEntry = {
  /** Bytes. */
  readonly size: number;
  /** Permission bits as the tree has them. */
  readonly mode: number;
  /** Equal for the names of one file (hard links), and for those only; undefined when it has one name. */
  readonly identity?: string;
  readonly stamp?: Stamp;
  readonly source: FileSource;
};

/** Without reading it: two files with equal stamps have equal contents, if the first was read later than `changedAt`. */
export type Stamp = {
  readonly text: string;
  /** When it was last touched, in milliseconds since the epoch by the file system's clock; -Infinity when `text` is made from the content. */
  readonly changedAt: number;
};

export type Tree = AsyncDisposable & { root(): TreeFolder };
