/** One holder per key at a time, in the order of asking. `using held = await lock.take(key)`. */
export class KeyedLock<Key> {
  readonly #tails = new Map<Key, Promise<void>>();

  async take(key: Key): Promise<Disposable> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const tail = before.then(() => promise);
    this.#tails.set(key, tail);
    await before;
    return {
      [Symbol.dispose]: () => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key);
        resolve();
      },
    };
  }
}
