import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Kysely, Selectable } from 'kysely';
import type { Clock } from '../kernel/clock.ts';
import { WaybillError } from '../kernel/error.ts';
import type { PersonId } from '../kernel/ids.ts';
import { Secret } from '../kernel/secret.ts';
import { parseLine, type Token } from './person.ts';
import type { IdentityTables } from './tables.ts';

const day = 24 * 60 * 60 * 1000;
const maxDays = 3650;
/** `wb_` and 256 random bits in base64url. */
const shape = /^wb_[A-Za-z0-9_-]{43}$/;

/** Makes a token for somebody whose existence the caller has checked. Its text is in the answer and nowhere else. */
export async function insertToken(
  db: Kysely<IdentityTables>,
  clock: Clock,
  person: PersonId,
  options: { readonly label: string; readonly expiresInDays?: number },
): Promise<{ id: string; token: Secret }> {
  const { expiresInDays } = options;
  if (expiresInDays !== undefined && !(Number.isFinite(expiresInDays) && expiresInDays > 0 && expiresInDays <= maxDays))
    throw new WaybillError('INVALID_INPUT', `a token lasts more than 0 and at most ${maxDays} days`);
  const now = clock.now();
  const id = `t-${randomBytes(6).toString('hex')}`;
  const token = new Secret(`wb_${randomBytes(32).toString('base64url')}`);
  await db
    .insertInto('token')
    .values({
      id,
      person,
      label: parseLine(options.label, 'the label'),
      hash: hashOf(token).toString('hex'),
      created_at: now.toISOString(),
      expires_at: expiresInDays === undefined ? null : new Date(now.getTime() + expiresInDays * day).toISOString(),
      revoked_at: null,
    })
    .execute();
  return { id, token };
}

/** Whose token this is; nobody's when it is malformed, unknown, revoked or expired. */
export async function ownerOf(db: Kysely<IdentityTables>, clock: Clock, token: Secret): Promise<PersonId | undefined> {
  if (!shape.test(token.reveal())) return undefined;
  const hash = hashOf(token);
  const row = await db.selectFrom('token').selectAll().where('hash', '=', hash.toString('hex')).executeTakeFirst();
  if (!row || !timingSafeEqual(Buffer.from(row.hash, 'hex'), hash)) return undefined;
  if (row.revoked_at !== null) return undefined;
  if (row.expires_at !== null && row.expires_at <= clock.now().toISOString()) return undefined;
  return row.person as PersonId;
}

export function parseTokenRow(row: Selectable<IdentityTables['token']>): Token {
  return {
    id: row.id,
    person: row.person as PersonId,
    label: row.label,
    createdAt: row.created_at,
    ...(row.expires_at === null ? {} : { expiresAt: row.expires_at }),
    ...(row.revoked_at === null ? {} : { revokedAt: row.revoked_at }),
  };
}

function hashOf(token: Secret): Buffer {
  return createHash('sha256').update(token.reveal()).digest();
}
