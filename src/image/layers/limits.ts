/** What a layer may at most be; above it the build fails with LIMIT_EXCEEDED. */
export type LayerLimits = {
  /** Bytes of all files of one layer, and of the source's tar. */
  readonly bytes: number;
  /** Files, folders and symbolic links of one layer, and of the source's tar. */
  readonly entries: number;
  /** Bytes of a path in the image, and of a symbolic link's target. */
  readonly path: number;
  /** Folders within folders (each open one costs a file descriptor). */
  readonly depth: number;
};

export const defaultLimits: LayerLimits = { bytes: 16 * 2 ** 30, entries: 1_000_000, path: 4095, depth: 200 };
