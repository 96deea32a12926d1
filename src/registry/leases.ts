/**
 * Blobs that somebody with a push token was told are here: his manifest will name them without pushing them again, so they are not collected
 * meanwhile. In memory, like the tokens: after a restart a pusher starts anew and asks again.
 */
export class Leases {
  readonly #until = new Map<string, number>();
  readonly #leaseMs: number;

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs;
  }

  touch(repository: string, digest: string, now: number): void {
    this.#until.set(`${repository}@${digest}`, now + this.#leaseMs);
  }

  holds(repository: string, digest: string, now: number): boolean {
    return (this.#until.get(`${repository}@${digest}`) ?? 0) > now;
  }

  sweep(now: number): void {
    for (const [key, until] of this.#until) if (until <= now) this.#until.delete(key);
  }
}
