import { createHash, timingSafeEqual } from 'node:crypto';
import { inspect } from 'node:util';

const printed = '***';

/** A value that must not be seen. Prints as `***` everywhere; `reveal()` is the one way to the text, easy to search for. */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  /** Constant-time comparison, also for different lengths. */
  equals(other: Secret): boolean {
    return timingSafeEqual(createHash('sha256').update(this.#text).digest(), createHash('sha256').update(other.#text).digest());
  }

  toString(): string {
    return printed;
  }

  toJSON(): string {
    return printed;
  }

  [inspect.custom](): string {
    return printed;
  }
}
