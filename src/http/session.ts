import { createHash, randomBytes } from 'node:crypto';
import type { Clock } from '../kernel/clock.ts';
import type { PersonId } from '../kernel/ids.ts';

const hours = 12;
const atMost = 10_000;

/** Sessions of the read-only pages: kept in memory under the hash of a random cookie, gone with a restart. */
export type Sessions = {
  /** Value for a `Set-Cookie` header. */
  open(person: PersonId): string;
  personOf(cookieHeader: string | undefined): PersonId | undefined;
};

export function createSessions(clock: Clock, secure: boolean): Sessions {
  const known = new Map<string, { person: PersonId; until: number }>();
  const key = (value: string) => createHash('sha256').update(value).digest('base64url');
  return {
    open(person) {
      const oldest = known.keys().next();
      if (known.size >= atMost && !oldest.done) known.delete(oldest.value);
      const value = randomBytes(32).toString('base64url');
      known.set(key(value), { person, until: clock.now().getTime() + hours * 3_600_000 });
      return `waybill_session=${value}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${hours * 3600}${secure ? '; Secure' : ''}`;
    },
    personOf(header) {
      const value = /(?:^|;\s*)waybill_session=([\w-]{20,100})/.exec(header ?? '')?.[1];
      const entry = value === undefined ? undefined : known.get(key(value));
      return entry && entry.until > clock.now().getTime() ? entry.person : undefined;
    },
  };
}
