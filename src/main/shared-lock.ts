/** Many may share, one may have it alone. Whoever wants it alone goes before those who come to share later. */
export class SharedLock {
  #shared = 0;
  #alone = false;
  readonly #waiting: { alone: boolean; enter(): void }[] = [];

  share(): Promise<Disposable> {
    return this.#enter(false);
  }

  alone(): Promise<Disposable> {
    return this.#enter(true);
  }

  async #enter(alone: boolean): Promise<Disposable> {
    const free = !this.#alone && this.#waiting.length === 0 && (!alone || this.#shared === 0);
    if (free) this.#take(alone);
    else await new Promise<void>((enter) => this.#waiting.push({ alone, enter }));
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        if (alone) this.#alone = false;
        else this.#shared -= 1;
        this.#next();
      },
    };
  }

  #take(alone: boolean): void {
    if (alone) this.#alone = true;
    else this.#shared += 1;
  }

  #next(): void {
    for (;;) {
      const first = this.#waiting[0];
      if (!first || this.#alone || (first.alone && this.#shared > 0)) return;
      this.#waiting.shift();
      this.#take(first.alone);
      first.enter();
    }
  }
}
