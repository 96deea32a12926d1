import { createHash, randomBytes } from 'node:crypto';
import type { Clock } from '../kernel/clock.ts';
import { Secret } from '../kernel/secret.ts';

const hours = 12;
const atMost = 10_000;
const name = 'waybill_session';

/** Sessions of the read-only pages: kept in memory under the hash of a random cookie, gone with a restart. */
export type Sessions = {
  /** Value for a `Set-Cookie` header. */
  open(token: Secret): string;
  /** The token that the session was opened with: asked again at each look, so that a revoked one shows nothing more. */
  tokenOf(cookieHeader: string | undefined): Secret | undefined;
  /** Ends the session; the value for a `Set-Cookie` header that makes the browser forget it. */
  close(cookieHeader: string | undefined): string;
};

export function createSessions(clock: Clock, secure: boolean): Sessions {
  const known = new Map<string, { token: Secret; until: number }>();
  const key = (value: string) => createHash('sha256').update(value).digest('base64url');
  const keyIn = (header: string | undefined) => {
    const value = new RegExp(`(?:^|;\\s*)${name}=([\\w-]{20,100})`).exec(header ?? '')?.[1];
    return value === undefined ? undefined : key(value);
  };
  // Lax, so that a link to a run in a chat opens the run; the cookie counts for GET alone, and a GET changes nothing.
  const cookie = (value: string, seconds: number) =>
    `${name}=${value}; HttpOnly; SameSite=Lax; Path=/; Max-Age=${seconds}${secure ? '; Secure' : ''}`;
  return {
    open(token) {
      const oldest = known.keys().next();
      if (known.size >= atMost && !oldest.done) known.delete(oldest.value);
      const value = randomBytes(32).toString('base64url');
      known.set(key(value), { token, until: clock.now().getTime() + hours * 3_600_000 });
      return cookie(value, hours * 3600);
    },
    tokenOf(header) {
      const found = keyIn(header);
      const entry = found === undefined ? undefined : known.get(found);
      if (found === undefined || entry === undefined) return undefined;
      if (entry.until > clock.now().getTime()) return entry.token;
      known.delete(found);
      return undefined;
    },
    close(header) {
      const found = keyIn(header);
      if (found !== undefined) known.delete(found);
      return cookie('', 0);
    },
  };
}
