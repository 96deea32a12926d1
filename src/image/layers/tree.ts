/**
 * What a layer is made from: a folder of a source tree, wherever it lies. Two implementations: the tar of a commit (tar-tree.ts) and a
 * folder on disk that a build sandbox wrote (folder-tree.ts, hostile until proved otherwise). Neither follows a symbolic link, ever.
 * Everything here is synchronous: callers take small bites (a block of a tar) and give the event loop its turn between them.
 */
export type TreeFolder = Disposable & {
  /** In no particular order; each name once. */
  children(): readonly TreeChild[];
};

export type TreeChild =
  | { readonly type: 'folder'; readonly name: Buffer; open(): TreeFolder }
  | { readonly type: 'file'; readonly name: Buffer; open(): TreeFile }
  | { readonly type: 'symlink'; readonly name: Buffer; target(): Buffer }
  | { readonly type: 'other'; readonly name: Buffer; readonly what: string };

export type TreeFile = Disposable & {
  /** Bytes. */
  readonly size: number;
  /** The owner may execute it; the only bit of a mode that counts. */
  readonly executable: boolean;
  /** Reads at most `length` bytes from the file's `position` into `into` at `offset`; 0 at the end. */
  read(into: Buffer, offset: number, length: number, position: number): number;
};

export type Tree = AsyncDisposable & { root(): TreeFolder };
