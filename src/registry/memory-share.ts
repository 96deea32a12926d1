const most = 2 ** 20;
const least = 64 * 1024;

/**
 * Shares memory among those who stream at once: few get a mebibyte each, which is fast; many get less, and a thousand slow clients
 * do not fill the memory.
 */
export class MemoryShare {
  readonly #total: number;
  #taken = 0;

  /** @param total bytes; passed only by 64 KiB for each who comes when all of it is taken */
  constructor(total = 128 * 2 ** 20) {
    this.#total = total;
  }

  /** Bytes that may be held until it is disposed. */
  take(): Disposable & { readonly bytes: number } {
    const bytes = Math.max(least, Math.min(most, Math.floor((this.#total - this.#taken) / 8)));
    this.#taken += bytes;
    return { bytes, [Symbol.dispose]: () => void (this.#taken -= bytes) };
  }
}
