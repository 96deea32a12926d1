import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { withDeadline } from '../../kernel/deadline.ts';
import { WaybillError, isWaybillError, messageOf } from '../../kernel/error.ts';

/** Where git is started. */
export type GitPlace = {
  /** A work tree, a folder in one, or a bare repository. */
  readonly folder: string;
  /** Its whole environment. Default: that of this process, as hooks need it (GIT_INDEX_FILE). */
  readonly env?: Readonly<Record<string, string>>;
};

/** Added to every environment: read only, no replaced objects, no fetching of what a partial clone lacks, nothing asked. */
const always: readonly string[] = [
  '-c',
  'core.quotePath=false',
  '-c',
  'core.fsmonitor=false',
  '--no-replace-objects',
  '--no-optional-locks',
];
const deadline = 30 * 60_000;
const mostOutput = 1024 ** 3;
const mostLine = 1024 * 1024;

/**
 * Chunks of what a git command prints. `input` may come while the command runs, from another one.
 * @throws WaybillError GIT_FAILED, MISSING_PROGRAM, CANCELLED, LIMIT_EXCEEDED, and what the input throws
 */
export async function* gitOutput(
  place: GitPlace,
  args: readonly string[],
  signal: AbortSignal,
  input?: Iterable<string> | AsyncIterable<string>,
): AsyncGenerator<Buffer> {
  using limit = withDeadline(signal, deadline, `git ${args[0] ?? ''}`);
  const child = spawn('git', [...always, ...args], {
    cwd: place.folder,
    ...(place.env === undefined ? {} : { env: place.env }),
    stdio: ['pipe', 'pipe', 'pipe'],
    signal: limit.signal,
    killSignal: 'SIGKILL',
  });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (words.length < 2_000) words += text;
  });
  const ended = new Promise<{ code: number | null; error?: Error }>((resolve) => {
    child.on('error', (error) => resolve({ code: null, error }));
    child.on('close', (code) => resolve({ code }));
  });
  // What git does not want to read any more is told by its exit code.
  child.stdin.on('error', () => {});
  const source = Readable.from(input ?? []);
  let failed: unknown;
  source.on('error', (error) => {
    failed = error;
    child.stdin.end();
  });
  source.pipe(child.stdin);
  try {
    yield* child.stdout as AsyncIterable<Buffer>;
    const { code, error } = await ended;
    if (failed !== undefined) throw failed;
    if (limit.signal.aborted && isWaybillError(limit.signal.reason)) throw limit.signal.reason;
    if (signal.aborted) throw new WaybillError('CANCELLED', `git ${args[0] ?? ''} was stopped`, { cause: signal.reason });
    if (error && 'code' in error && error.code === 'ENOENT') throw new WaybillError('MISSING_PROGRAM', 'git', { cause: error });
    if (code !== 0)
      throw new WaybillError('GIT_FAILED', `git ${args[0] ?? ''} (exit code ${code ?? 'none'}): ${words.trim() || messageOf(error)}`, {
        cause: error,
        fix: 'Read what Git says above; give the path of a Git repository, and commits that it has.',
      });
  } finally {
    source.destroy();
    child.kill('SIGKILL');
    await ended;
  }
}

/** Lines of what a git command prints, without their ends, as they come. @throws like `gitOutput`, and LIMIT_EXCEEDED for a line without an end */
export async function* gitLines(place: GitPlace, args: readonly string[], signal: AbortSignal): AsyncGenerator<string> {
  let held: Buffer[] = [];
  let size = 0;
  for await (const chunk of gitOutput(place, args, signal)) {
    let at = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, at)) {
      const last = chunk.subarray(at, end);
      yield (held.length === 0 ? last : Buffer.concat([...held, last])).toString('utf8');
      held = [];
      size = 0;
      at = end + 1;
    }
    const rest = chunk.subarray(at);
    size += rest.length;
    if (size > mostLine) throw new WaybillError('LIMIT_EXCEEDED', `git ${args[0] ?? ''} printed a line of more than ${mostLine} bytes`);
    if (rest.length > 0) held.push(rest);
  }
  if (held.length > 0) yield Buffer.concat(held).toString('utf8');
}

/** All that a git command prints. @throws like `gitOutput` */
export async function gitText(place: GitPlace, args: readonly string[], signal: AbortSignal, limit = mostOutput): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of gitOutput(place, args, signal)) {
    size += chunk.length;
    if (size > limit) throw new WaybillError('LIMIT_EXCEEDED', `git ${args[0] ?? ''} printed more than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

export type GitObject =
  | { readonly name: string; readonly size: number; pieces(): AsyncIterable<Buffer> }
  | { readonly name: string; readonly missing: true };

/**
 * Objects in the order of their names, each as git-cat-file(1) `--batch` gives it. What is not read of one is passed over.
 * @throws like `gitOutput`
 */
export async function* readObjects(
  place: GitPlace,
  names: Iterable<string> | AsyncIterable<string>,
  pieceBytes: number,
  signal: AbortSignal,
): AsyncGenerator<GitObject> {
  const lines = (async function* () {
    for await (const name of names) yield `${name}\n`;
  })();
  const reader = new ByteReader(gitOutput(place, ['cat-file', '--batch', '--buffer'], signal, lines));
  try {
    for (;;) {
      const header = await reader.line();
      if (header === undefined) return;
      const [name = '', type = '', bytes = ''] = header.split(' ');
      if (type === 'missing' || type === 'ambiguous' || type === 'excluded') {
        yield { name, missing: true };
        continue;
      }
      const size = Number(bytes);
      if (!Number.isSafeInteger(size))
        throw new WaybillError('GIT_FAILED', `git cat-file answered ${JSON.stringify(header.slice(0, 100))}`);
      let left = size;
      yield {
        name,
        size,
        async *pieces() {
          do {
            const piece = await reader.take(Math.min(left, pieceBytes));
            left -= piece.length;
            yield piece;
          } while (left > 0);
        },
      };
      while (left > 0) left -= (await reader.take(Math.min(left, pieceBytes))).length;
      await reader.take(1);
    }
  } finally {
    await reader.close();
  }
}

class ByteReader {
  readonly #source: AsyncGenerator<Buffer>;
  #held: Buffer[] = [];
  #size = 0;

  constructor(source: AsyncGenerator<Buffer>) {
    this.#source = source;
  }

  /** Without its end; undefined at the end of the input. */
  async line(): Promise<string | undefined> {
    for (;;) {
      const all = this.#whole();
      const end = all.indexOf(0x0a);
      if (end >= 0) {
        this.#keep(all.subarray(end + 1));
        return all.toString('latin1', 0, end);
      }
      if (all.length > 4_096) throw new WaybillError('GIT_FAILED', 'git cat-file answered with a line that has no end');
      if (!(await this.#more())) return undefined;
    }
  }

  async take(count: number): Promise<Buffer> {
    while (this.#size < count)
      if (!(await this.#more())) throw new WaybillError('GIT_FAILED', 'git cat-file ended in the middle of an object');
    const all = this.#whole();
    this.#keep(all.subarray(count));
    return all.subarray(0, count);
  }

  async close(): Promise<void> {
    await this.#source.return(undefined);
  }

  #whole(): Buffer {
    const [only] = this.#held;
    if (only !== undefined && this.#held.length === 1) return only;
    const all = Buffer.concat(this.#held, this.#size);
    this.#held = [all];
    return all;
  }

  #keep(rest: Buffer): void {
    this.#held = rest.length === 0 ? [] : [rest];
    this.#size = rest.length;
  }

  async #more(): Promise<boolean> {
    const next = await this.#source.next();
    if (next.done) return false;
    this.#held.push(next.value);
    this.#size += next.value.length;
    return true;
  }
}
