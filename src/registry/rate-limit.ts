import { ProtocolError } from './protocol-error.ts';

type Bucket = { left: number; at: number };

/** A token bucket for each key. Keys that have been quiet are forgotten: theirs would be full again. */
export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #most: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: { readonly perSecond: number; readonly burst: number; readonly keys?: number }) {
    this.#perSecond = options.perSecond;
    this.#burst = options.burst;
    this.#most = options.keys ?? 50_000;
  }

  /** Seconds until there is something left for the key; 0 when there is. @param now milliseconds since the epoch */
  wait(key: string, now: number): number {
    const bucket = this.#bucket(key, now);
    return bucket.left >= 1 ? 0 : Math.max(1, Math.ceil((1 - bucket.left) / this.#perSecond));
  }

  take(key: string, now: number): void {
    const bucket = this.#bucket(key, now);
    bucket.left = Math.max(0, bucket.left - 1);
    if (this.#buckets.size < this.#most) return void this.#buckets.set(key, bucket);
    for (const [each, { left, at }] of this.#buckets)
      if (left + ((now - at) / 1000) * this.#perSecond >= this.#burst) this.#buckets.delete(each);
    // Somebody who makes up names as fast as this gets the oldest forgotten, never a limit lifted for all.
    for (const each of this.#buckets.keys()) {
      if (this.#buckets.size < this.#most) break;
      this.#buckets.delete(each);
    }
    this.#buckets.set(key, bucket);
  }

  /** What was taken was not used up. */
  give(key: string): void {
    const bucket = this.#buckets.get(key);
    if (bucket) bucket.left = Math.min(this.#burst, bucket.left + 1);
  }

  #bucket(key: string, now: number): Bucket {
    const known = this.#buckets.get(key);
    if (!known) return { left: this.#burst, at: now };
    known.left = Math.min(this.#burst, known.left + (Math.max(0, now - known.at) / 1000) * this.#perSecond);
    known.at = now;
    return known;
  }
}

export function tooMany(what: string, seconds: number): ProtocolError {
  return new ProtocolError('TOOMANYREQUESTS', `${what}; try again in ${seconds} s`, { headers: { 'retry-after': String(seconds) } });
}
