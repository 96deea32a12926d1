/** A token that the token endpoint gave. */
export type TokenGrant = {
  readonly kind: 'token';
  readonly holder: string;
  /** What may be pulled with it; empty for a login alone. */
  readonly repositories: readonly string[];
  /**
   * Stands for all tokens that the holder gets within the hour, for whatever he may pull: he asked for so many different things that each is
   * not named any more.
   */
  readonly everything?: true;
  readonly expiresAt: string;
};

/** A cluster asks for the same thing all day: it is told once an hour for each holder and scope. */
const quietMs = 60 * 60_000;
/** Scopes of one holder that are told one by one within an hour; the ledger is kept for ever. */
const mostScopes = 100;
const mostHolders = 10_000;
const everything = '*';

type Told = { readonly at: number; readonly written: Promise<void> };

/** Tells of grants, the first time and then once an hour; whoever asks waits until the first was written. */
export function openGrantLog(write: (grant: TokenGrant) => Promise<void>): (grant: TokenGrant, now: number) => Promise<void> {
  const holders = new Map<string, Map<string, Told>>();

  function toldTo(holder: string, now: number): Map<string, Told> {
    const told = holders.get(holder) ?? new Map<string, Told>();
    for (const [scope, { at }] of told) if (at <= now - quietMs) told.delete(scope);
    holders.delete(holder);
    holders.set(holder, told);
    for (const quietest of holders.keys()) {
      if (holders.size <= mostHolders) break;
      holders.delete(quietest);
    }
    return told;
  }

  return async (grant, now) => {
    const told = toldTo(grant.holder, now);
    const scope = JSON.stringify([...grant.repositories].sort());
    const known = told.get(everything) ?? told.get(scope);
    if (known) return await known.written;
    const wide = told.size >= mostScopes;
    const written = write(wide ? { ...grant, repositories: [], everything: true } : grant);
    // Noted before it is written, so that many at once are counted too.
    const key = wide ? everything : scope;
    told.set(key, { at: now, written });
    try {
      await written;
    } catch (error) {
      told.delete(key);
      throw error;
    }
  };
}
