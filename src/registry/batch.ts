type Waiting<Item> = { readonly item: Item; readonly done: PromiseWithResolvers<void> };

/**
 * Group commit: what is added while the event loop is busy, or an earlier write is under way, is written together. `add` resolves when its
 * item was written, not before; when a write fails, so does every `add` that was part of it.
 */
export class Batch<Item> {
  readonly #write: (items: readonly Item[]) => Promise<void>;
  readonly #most: number;
  #waiting: Waiting<Item>[] = [];
  #busy = false;

  /** @param most items of one write */
  constructor(write: (items: readonly Item[]) => Promise<void>, most: number) {
    this.#write = write;
    this.#most = most;
  }

  async add(item: Item): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#waiting.push({ item, done });
    if (!this.#busy) {
      this.#busy = true;
      setImmediate(() => void this.#run());
    }
    await done.promise;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, this.#most);
      try {
        await this.#write(group.map(({ item }) => item));
        for (const { done } of group) done.resolve();
      } catch (error) {
        for (const { done } of group) done.reject(error);
      }
    }
    this.#busy = false;
  }
}
