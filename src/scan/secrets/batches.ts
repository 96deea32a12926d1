import type { Skipped } from '../coverage.ts';
import type { ScanLimits } from './limits.ts';
import { Patience } from './patience.ts';
import type { RuleSet } from './rule-set.ts';
import { scanBatch, type BatchResult } from './scan-batch.ts';
import type { FileState, Located, Part } from './scan-chunks.ts';
import { openScanThreads, type ScanThreads } from './scan-threads.ts';

export type BatchListener = {
  found(located: Located): void;
  skip(skipped: Skipped): void;
  /** A blob that was looked at wholly, and in which nothing is. */
  clean(blob: string): void;
};

/**
 * Looks at batches, in this thread and, when there is much, in others too. What comes of them is told in the order in which they were given, so that a report does not depend on who
 * was faster.
 */
export class Batches implements AsyncDisposable {
  readonly #set: RuleSet;
  readonly #limits: ScanLimits;
  readonly #now: Date;
  readonly #listener: BatchListener;
  readonly #patience: Patience;
  #threads: ScanThreads | undefined;
  #bytes = 0;
  /** What was given before has been told. */
  #told: Promise<void> = Promise.resolve();

  constructor(set: RuleSet, limits: ScanLimits, now: Date, listener: BatchListener) {
    this.#set = set;
    this.#limits = limits;
    this.#now = now;
    this.#listener = listener;
    this.#patience = new Patience(limits.strikes);
  }

  /** Takes one; looks at it before it returns, unless another thread does. */
  give(parts: readonly Part[], size: number): void {
    this.#bytes += size;
    const { count, fromBytes } = this.#limits.threads;
    if (count > 0 && this.#bytes > fromBytes) this.#threads ??= openScanThreads(count, this.#set, this.#limits, this.#now);
    const result = this.#threads?.offer(parts) ?? scanBatch(this.#set, parts, this.#limits, this.#patience, this.#now);
    // The bytes are not kept until it is its turn.
    const files = parts.map(({ file, last }) => ({ file, last }));
    this.#then(async () => this.#tell(files, await result));
    if (result instanceof Promise) result.catch(() => undefined);
  }

  /** What was skipped before anybody looked at it, in its turn. */
  skip(skipped: Skipped): void {
    this.#then(() => this.#listener.skip(skipped));
  }

  /** All that was given has been told. @throws what a rule threw in one of them */
  async done(): Promise<void> {
    await this.#told;
  }

  #then(work: () => void | Promise<void>): void {
    this.#told = this.#told.then(work);
    // It is thrown by `done`.
    this.#told.catch(() => undefined);
  }

  #tell(files: readonly { readonly file: FileState; readonly last: boolean }[], { found, skipped, tried }: BatchResult): void {
    const dirty = (part: number) => {
      const state = files[part]?.file;
      if (state) state.dirty = true;
    };
    for (const { located, part } of found) {
      dirty(part);
      this.#listener.found(located);
    }
    for (const { skipped: each, part } of skipped) {
      dirty(part);
      this.#listener.skip(each);
    }
    if (tried) return;
    for (const { file, last } of files) if (last && !file.dirty && file.blob !== undefined) this.#listener.clean(file.blob);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#threads?.[Symbol.asyncDispose]();
  }
}
