import type { Reading } from '../../dependencies/reader.ts';

/** Looks at a file whose first bytes, not its name, say what it is, while others read it too. It holds a bounded part of it. */
export type Probe = {
  /** Pieces of the file, one after another and all of them. */
  add(piece: Buffer): void;
  end(): Promise<Reading> | Reading;
  /** It may come to nothing that tells what the file consists of: then it is asked which package has brought it. */
  readonly mayBeOpaque: boolean;
};

/** Undefined: the file is nothing for this probe. */
export type ProbeKind = (path: string, first: Buffer) => Probe | undefined;

export const nothing: Reading = { components: [], needs: [], skipped: [] };
