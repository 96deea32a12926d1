const most = 4_000_000;

/** For finding out who needs what, which a file can make as long as it likes: real lock files take a hundredth of it. */
export class Budget {
  #left = most;

  /** @param characters of the name that is looked up @throws Error when it is used up */
  spend(characters: number): void {
    this.#left -= 1 + characters / 64;
    if (this.#left < 0) throw new Error('it takes too much work to find out who needs what in it');
  }
}
