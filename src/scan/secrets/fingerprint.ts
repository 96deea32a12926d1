import { createHash, scryptSync } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { WaybillError } from '../../kernel/error.ts';

/** RFC 7914. 16 MiB and some 30 ms for each guess: a password that people chose is not read from a file of waivers by trying dictionaries fast. */
const cost = { N: 2 ** 14, r: 8, p: 1, maxmem: 64 * 1024 * 1024 };
const bytes = 16;

/** Slow hashes of values, each made once. They alone leave the scan. */
export class Fingerprints {
  readonly #salt: Buffer;
  readonly #known = new Map<string, Promise<string>>();
  #last: Promise<unknown> = Promise.resolve();

  /** @param salt of the repository, hexadecimal */
  constructor(salt: string) {
    if (!/^[0-9a-f]{32,128}$/.test(salt))
      throw new WaybillError('INVALID_INPUT', 'the salt of fingerprints must be 32 to 128 hexadecimal digits');
    this.#salt = Buffer.from(salt, 'hex');
  }

  /**
   * 32 hexadecimal digits. `value` has one character for each byte. One after another, in this thread, which is free for others in between: threads of a pool would keep the memory of one
   * hash each.
   */
  of(value: string): Promise<string> {
    const known = this.#known.get(value);
    if (known) return known;
    const made = this.#last.then(async () => {
      await setImmediate();
      return scryptSync(Buffer.from(value, 'latin1'), this.#salt, bytes, cost).toString('hex');
    });
    this.#last = made.catch(() => {});
    this.#known.set(value, made);
    return made;
  }
}

/**
 * The salt of a repository that has none in its waivers yet: made of its first commits, so that it is the same in every clone and another one for every repository.
 * Public, like any salt.
 */
export function derivedSalt(roots: readonly string[]): string {
  return createHash('sha256')
    .update(`waybill salt\n${roots.toSorted().join('\n')}`)
    .digest('hex')
    .slice(0, 32);
}
