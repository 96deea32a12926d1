import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../kernel/clock.ts';
import { Secret } from '../kernel/secret.ts';
import type { Store } from '../store/store.ts';
import { sha256Hex, type Access } from './access.ts';
import type { RegistryTables } from './tables.ts';

export type PullCredential = { readonly username: string; readonly password: Secret; readonly expiresAt: string };

/** Times are ISO 8601. */
export type PullState = {
  readonly repositories: readonly string[];
  readonly newest: { readonly createdAt: string; readonly expiresAt: string };
};

/** Pull secrets of environments: only hashes are kept. Several generations of one environment are valid side by side. */
export type PullTokens = {
  add(environment: string, repositories: readonly string[], credential: PullCredential, handedOut: boolean): Promise<void>;
  find(username: string, password: Secret): Promise<Access | undefined>;
  /** What the valid generations of an environment cover together, and the newest of them, without those that were handed out to people. */
  state(environment: string): Promise<PullState | undefined>;
  /** How many were valid. */
  revoke(environment: string): Promise<number>;
};

/** `+` cannot be in a person's name, so a pull secret's user is never a person. */
const prefix = 'pull+';

export const isPullUser = (username: string): boolean => username.startsWith(prefix);

export function newPullCredential(environment: string, expiresAt: Date): PullCredential {
  const username = `${prefix}${environment}+${randomBytes(6).toString('hex')}`;
  return { username, password: new Secret(`wbp_${randomBytes(32).toString('hex')}`), expiresAt: expiresAt.toISOString() };
}

export function openPullTokens(store: Store, clock: Clock): PullTokens {
  const db = store.as<RegistryTables>();
  return {
    async add(environment, repositories, { username, password, expiresAt }, handedOut) {
      const now = clock.now().toISOString();
      await db.transaction().execute(async (trx) => {
        await trx.deleteFrom('registry_pull_token').where('expires_at', '<=', now).execute();
        await trx
          .insertInto('registry_pull_token')
          .values({
            username,
            environment,
            password_sha256: sha256Hex(password.reveal()),
            repositories: JSON.stringify(repositories),
            created_at: now,
            expires_at: expiresAt,
            handed_out: handedOut ? 1 : 0,
          })
          .execute();
      });
    },
    async find(username, password) {
      const row = await db.selectFrom('registry_pull_token').selectAll().where('username', '=', username).executeTakeFirst();
      if (!row) return undefined;
      const given = Buffer.from(sha256Hex(password.reveal()), 'hex');
      const expiresAt = Date.parse(row.expires_at);
      if (!timingSafeEqual(given, Buffer.from(row.password_sha256, 'hex')) || expiresAt <= clock.now().getTime()) return undefined;
      const repositories = new Set(JSON.parse(row.repositories) as string[]);
      return { kind: 'pull', holder: `environment ${row.environment}`, mayPull: repositories, pull: repositories, expiresAt };
    },
    async state(environment) {
      const rows = await db
        .selectFrom('registry_pull_token')
        .select(['repositories', 'created_at', 'expires_at'])
        .where('environment', '=', environment)
        .where('handed_out', '=', 0)
        .where('expires_at', '>', clock.now().toISOString())
        .orderBy('expires_at', 'desc')
        .execute();
      const [newest] = rows;
      if (!newest) return undefined;
      const repositories = [...new Set(rows.flatMap((row) => JSON.parse(row.repositories) as string[]))].sort();
      return { repositories, newest: { createdAt: newest.created_at, expiresAt: newest.expires_at } };
    },
    async revoke(environment) {
      const now = clock.now().toISOString();
      return await db.transaction().execute(async (trx) => {
        const valid = await trx
          .selectFrom('registry_pull_token')
          .select('username')
          .where('environment', '=', environment)
          .where('expires_at', '>', now)
          .execute();
        await trx.deleteFrom('registry_pull_token').where('environment', '=', environment).execute();
        return valid.length;
      });
    },
  };
}
