import { createHash, randomUUID } from 'node:crypto';

/** What the bearer of one credential may do. `push` and `pull` name repositories; `everything` is any. */
export type Access = {
  readonly kind: 'push' | 'pull' | 'person';
  /** Who, for the log and the ledger: `run 12`, `environment production`, a person's id. */
  readonly holder: string;
  /** Pull that a token may be asked for. */
  readonly mayPull: ReadonlySet<string> | 'everything';
  /** Pull that this very credential carries. */
  readonly pull: ReadonlySet<string> | 'everything';
  /** And every repository below this, which ends with a slash: for the server's own way through a mirror. */
  readonly pullBelow?: string;
  /** The one repository that it pushes to: set on a minted push token alone. */
  readonly push?: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  /** Set when the credential was taken back; a request that holds this object asks again before it changes anything. */
  revoked?: boolean;
};

export const covers = (set: ReadonlySet<string> | 'everything', repository: string): boolean => set === 'everything' || set.has(repository);

export const sha256Hex = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Bearer tokens that this process issued, by their hash. Gone with the process: clients then ask the token endpoint again. */
export class BearerTokens {
  readonly #byHash = new Map<string, Access>();
  /** Oldest first. */
  readonly #byHolder = new Map<string, Set<string>>();
  readonly #limit: number;
  readonly #perHolder: number;

  constructor(limit = 20_000) {
    this.#limit = limit;
    this.#perHolder = Math.ceil(limit / 4);
  }

  /** Returns a new opaque token of 244 random bits. */
  issue(access: Access, now: number): string {
    if (this.#byHash.size >= this.#limit) this.#sweep(now);
    const mine = this.#byHolder.get(access.holder) ?? new Set();
    // Whoever asks for ever more loses his own oldest, not those of others.
    const [oldest] = mine;
    if (access.kind !== 'push' && mine.size >= this.#perHolder && oldest !== undefined) this.#drop(oldest);
    const token = `wbr_${randomUUID()}${randomUUID()}`.replaceAll('-', '');
    const hash = sha256Hex(token);
    this.#byHash.set(hash, access);
    this.#byHolder.set(access.holder, mine.add(hash));
    return token;
  }

  find(token: string, now: number): Access | undefined {
    const hash = sha256Hex(token);
    const access = this.#byHash.get(hash);
    if (!access) return undefined;
    if (!access.revoked && access.expiresAt > now) return access;
    this.#drop(hash);
    return undefined;
  }

  /** Takes back every token that `which` names. */
  revoke(which: (access: Access) => boolean): void {
    for (const [hash, access] of this.#byHash) {
      if (!which(access)) continue;
      access.revoked = true;
      this.#drop(hash);
    }
  }

  /** Expired ones go; when that is not enough, the oldest tokens of people and pulls go, never a push token. */
  #sweep(now: number): void {
    this.revoke((access) => access.expiresAt <= now);
    for (const [hash, access] of this.#byHash) {
      if (this.#byHash.size < this.#limit) return;
      if (access.kind !== 'push') this.#drop(hash);
    }
  }

  #drop(hash: string): void {
    const holder = this.#byHash.get(hash)?.holder ?? '';
    const theirs = this.#byHolder.get(holder);
    theirs?.delete(hash);
    if (theirs?.size === 0) this.#byHolder.delete(holder);
    this.#byHash.delete(hash);
  }
}
