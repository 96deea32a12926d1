import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KeyRing } from '../evidence/keys.ts';
import { acceptSnapshot, verifySnapshot } from '../evidence/snapshot-envelope.ts';
import type { Snapshot } from '../evidence/snapshot.ts';
import type { Clock } from '../kernel/clock.ts';
import { withDeadline } from '../kernel/deadline.ts';
import type { Digest } from '../kernel/digest.ts';
import { messageOf, WaybillError } from '../kernel/error.ts';
import type { Logger } from '../kernel/logger.ts';
import type { Knowledge } from '../policy/judge-image.ts';
import type { KnowledgeSource } from './judge-object.ts';
import { readSnapshotCopy, writeSnapshotCopy } from './snapshot-copy.ts';
import { indexSnapshot, noKnowledge, type SnapshotIndex } from './snapshot-index.ts';

export type SnapshotSourceOptions = {
  /** The signed snapshot as bytes; nothing when it is the one that was given last. */
  readonly fetchSnapshot: (signal: AbortSignal) => Promise<Uint8Array | undefined>;
  /** The keys whose snapshots are believed, asked for each time, so that a rotated ring needs no restart. */
  readonly ring: () => KeyRing;
  /** Where the newest snapshot is kept, so that a restart without the server still knows it. */
  readonly file?: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits?: Partial<SnapshotLimits>;
};

export type SnapshotLimits = {
  /** Milliseconds between two polls. */
  readonly pollMs: number;
  /** The shortest time between two fetches, however many unknown digests are asked for. */
  readonly restMs: number;
  /** How long one fetch may take. */
  readonly fetchMs: number;
  /** How long a verdict waits for an unknown digest. */
  readonly lookupMs: number;
  readonly bytes: number;
};

const defaultLimits: SnapshotLimits = { pollMs: 15_000, restMs: 1_000, fetchMs: 10_000, lookupMs: 3_000, bytes: 64 * 1024 * 1024 };

type Flight = { startedAt: number; done: Promise<void> };

/**
 * Holds the newest verified snapshot. `start` reads the kept copy and begins to poll; disposing it stops everything.
 * A snapshot with a lower sequence, or the same sequence and an earlier date, is never taken. Fetches are shared, rate
 * limited and bounded; when they fail, what was known stays known.
 */
export class SnapshotSource implements KnowledgeSource, AsyncDisposable {
  readonly #options: SnapshotSourceOptions;
  readonly #limits: SnapshotLimits;
  readonly #life = new AbortController();
  #index: SnapshotIndex | undefined;
  #held: Snapshot | undefined;
  #heldHash: string | undefined;
  #refused: Uint8Array | undefined;
  #failure: string | undefined;
  #flight: Flight | undefined;
  #lastStart = Number.NEGATIVE_INFINITY;
  #polling: Promise<void> | undefined;

  constructor(options: SnapshotSourceOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
  }

  /** True once a verified snapshot is there, be it fetched or kept. */
  get ready(): boolean {
    return this.#index !== undefined;
  }

  get sequence(): number | undefined {
    return this.#held?.sequence;
  }

  /** Reads the kept copy, tries one fetch, then polls in the background. Never throws for a missing server. */
  async start(): Promise<void> {
    await this.#restore();
    this.#polling ??= this.#poll();
    await this.#share().done;
  }

  /** What is known now. Digests that are unknown are looked for first, together with everybody else who asks. */
  async knowledge(digests: readonly Digest[], signal?: AbortSignal): Promise<Knowledge> {
    if (!this.#knowsAll(digests)) await this.#lookFor(digests, signal);
    if (this.#index === undefined) return noKnowledge;
    const known = this.#index.knowledge(this.#options.clock.now());
    return this.#failure === undefined ? known : { ...known, lookupFailure: this.#failure };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#life.abort(new WaybillError('CANCELLED', 'the gate stops'));
    await this.#polling;
    await this.#flight?.done;
  }

  #knowsAll(digests: readonly Digest[]): boolean {
    return digests.every((digest) => this.#index?.has(digest) === true);
  }

  async #lookFor(digests: readonly Digest[], parent: AbortSignal | undefined): Promise<void> {
    const askedAt = performance.now();
    using deadline = withDeadline(parent, this.#limits.lookupMs, 'looking for an unknown digest');
    while (!deadline.signal.aborted && !this.#life.signal.aborted && !this.#knowsAll(digests)) {
      const flight = this.#share();
      await settledOrAborted(flight.done, deadline.signal);
      // A fetch that began before the question may have missed the answer: then one more.
      if (flight.startedAt >= askedAt) return;
    }
  }

  /** The fetch that is under way, or a new one, not sooner than `restMs` after the one before. */
  #share(): Flight {
    if (this.#flight) return this.#flight;
    const flight: Flight = { startedAt: Number.POSITIVE_INFINITY, done: Promise.resolve() };
    const fly = async (): Promise<void> => {
      const rest = this.#lastStart + this.#limits.restMs - performance.now();
      if (rest > 0) await pause(rest, this.#life.signal);
      flight.startedAt = this.#lastStart = performance.now();
      await this.#fetch();
      this.#flight = undefined;
    };
    this.#flight = flight;
    flight.done = fly();
    return flight;
  }

  async #poll(): Promise<void> {
    while (!this.#life.signal.aborted) {
      await pause(this.#limits.pollMs, this.#life.signal);
      if (!this.#life.signal.aborted) await this.#share().done;
    }
  }

  /** One attempt. Never throws: what went wrong is logged, and told with the next denial. */
  async #fetch(): Promise<void> {
    const { logger, file } = this.#options;
    if (this.#life.signal.aborted) return;
    try {
      using deadline = withDeadline(this.#life.signal, this.#limits.fetchMs, 'fetching the snapshot');
      const content = (await settledOrThrow(this.#options.fetchSnapshot(deadline.signal), deadline.signal)) ?? this.#refused;
      const taken = content !== undefined && this.#take(content);
      this.#failure = undefined;
      if (taken && file !== undefined) await this.#keep(file, content);
    } catch (error) {
      if (this.#life.signal.aborted) return;
      this.#failure = `The last look for new papers failed at ${this.#options.clock.now().toISOString()}.`;
      logger.warn({ error: messageOf(error), sequence: this.sequence }, 'snapshot not refreshed');
    }
  }

  async #keep(file: string, content: Uint8Array): Promise<void> {
    try {
      await writeSnapshotCopy(file, content);
    } catch (error) {
      // Known in memory all the same; only a restart without the server would not know it.
      this.#options.logger.error({ error: messageOf(error), file }, 'snapshot copy not written');
    }
  }

  async #restore(): Promise<void> {
    const { file, logger } = this.#options;
    if (file === undefined) return;
    try {
      const content = await readSnapshotCopy(file, this.#limits.bytes);
      if (content === undefined) return;
      // It was accepted once, so it may be past its date by now: the gate then warns, and entries hold until their own.
      this.#hold(this.#verified(content, this.#options.clock.now()), createHash('sha256').update(content).digest('hex'));
    } catch (error) {
      logger.error({ error: messageOf(error), file }, 'snapshot copy not usable');
    }
  }

  /** Verifies and takes an offered snapshot; false when it is the one that is held. @throws when it must not be taken */
  #take(content: Uint8Array): boolean {
    const hash = createHash('sha256').update(content).digest('hex');
    if (hash === this.#heldHash) return false;
    // Kept until it is taken: a server that answers "unchanged" does not turn a refusal into a success.
    this.#refused = content;
    const now = this.#options.clock.now();
    this.#hold(acceptSnapshot(this.#held, this.#verified(content, now), now), hash);
    this.#refused = undefined;
    return true;
  }

  #verified(content: Uint8Array, now: Date): Snapshot {
    if (content.length > this.#limits.bytes)
      throw new WaybillError('LIMIT_EXCEEDED', `the snapshot has more than ${this.#limits.bytes} bytes`);
    return verifySnapshot(Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString(), this.#options.ring(), now);
  }

  #hold(snapshot: Snapshot, hash: string): void {
    this.#held = snapshot;
    this.#heldHash = hash;
    this.#index = indexSnapshot(snapshot);
    this.#options.logger.info(
      { sequence: snapshot.sequence, images: snapshot.images.length, revoked: snapshot.revoked.length },
      'snapshot taken',
    );
  }
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Returns when `work` is done or `signal` aborts, whichever is first. */
async function settledOrAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const stop = Promise.withResolvers<void>();
  const onAbort = (): void => stop.resolve();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    await Promise.race([work, stop.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** The value of `work`, or the reason of `signal` when a fetcher does not heed it. */
async function settledOrThrow<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const stop = Promise.withResolvers<never>();
  const onAbort = (): void => stop.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([work, stop.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
