import { WaybillError } from '../kernel/error.ts';
import type { Skipped } from './coverage.ts';

/**
 * Files of a folder, of a Git tree, of what a change adds, of an image's layers: what scanners of trees read.
 *
 * Contract: files come one after another, in an order that is the same each time for the same tree; each path is relative with `/` and names no
 * link; what is left out is told through `skip`, and an error of one file is told so too and ends nothing. Nothing outlives the iteration.
 */
export type TreeSource = {
  /** For people: `the folder ./web`, `what is staged`. */
  readonly what: string;
  /** @throws WaybillError CANCELLED and what the source itself can fail with */
  files(options: FilesOptions): AsyncIterable<TreeFile>;
};

export type FilesOptions = {
  readonly signal: AbortSignal;
  skip(skipped: Skipped): void;
  /**
   * Room for the content of a file that comes in one piece, if there is any: whoever gives it says when it is used again, and holds no piece beyond that. Without it every file leaves
   * its bytes to the garbage collector, which waits until there are a hundred megabytes.
   */
  room?(bytes: number): Buffer | undefined;
};

export type TreeFile = {
  readonly path: string;
  /** Bytes, as far as it is known before reading. */
  readonly size: number;
  /** Git's name of the content, where there is one: equal names, equal bytes. */
  readonly blob?: string;
  /**
   * The content in pieces of `pieceBytes` but for the last, which may be empty. Once, and before the next file is asked for.
   * @throws WaybillError NOT_FOUND, INVALID_INPUT when it cannot be read (any more)
   */
  pieces(): AsyncIterable<Buffer> | Iterable<Buffer>;
};

/** A file up to this size comes in one piece. */
export const pieceBytes = 1024 * 1024;

/**
 * The whole content.
 * @throws WaybillError LIMIT_EXCEEDED above `limit` bytes, and what `pieces` throws
 */
export async function readWhole(file: TreeFile, limit: number): Promise<Buffer> {
  const tooLarge = () => new WaybillError('LIMIT_EXCEEDED', `${file.path} is larger than ${limit} bytes`);
  if (file.size > limit) throw tooLarge();
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of file.pieces()) {
    size += piece.length;
    if (size > limit) throw tooLarge();
    pieces.push(piece);
  }
  const [only] = pieces;
  return only !== undefined && pieces.length === 1 ? only : Buffer.concat(pieces, size);
}

/** Files that are in memory already: standard input, the output of a template, a test. */
export function memorySource(what: string, files: readonly { readonly path: string; readonly content: Buffer | string }[]): TreeSource {
  return {
    what,
    async *files() {
      for (const { path, content } of files) {
        const bytes = typeof content === 'string' ? Buffer.from(content) : content;
        yield { path, size: bytes.length, pieces: () => cut(bytes) };
      }
    },
  };
}

/** One file that comes as a stream and ends when it likes: standard input. What is not read of it is closed. */
export function streamSource(what: string, path: string, chunks: AsyncIterable<Buffer>): TreeSource {
  return {
    what,
    async *files() {
      yield { path, size: 0, pieces: () => inPieces(chunks) };
    },
  };
}

/** A stream in pieces of `pieceBytes` but for the last, which may be empty. */
export async function* inPieces(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks)
    // A chunk may be larger than what is missing.
    for (let rest = chunk; rest.length > 0;) {
      const part = rest.subarray(0, pieceBytes - size);
      rest = rest.subarray(part.length);
      held.push(part);
      size += part.length;
      if (size < pieceBytes) continue;
      yield Buffer.concat(held, size);
      held = [];
      size = 0;
    }
  const [only] = held;
  yield only !== undefined && held.length === 1 ? only : Buffer.concat(held, size);
}

function* cut(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at === 0 || at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}
