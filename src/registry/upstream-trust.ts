import type { Selectable } from 'kysely';
import { z } from 'zod';
import type { Clock } from '../kernel/clock.ts';
import { WaybillError } from '../kernel/error.ts';
import { isPathPattern } from '../kernel/path-pattern.ts';
import type { Store } from '../store/store.ts';
import type { RegistryTables, RegistryTrustTable } from './tables.ts';

/** A public key (SPKI PEM); or who certificates are made out to, and by whom, with the root to check them against. */
export type Trusted = { readonly publicKey: string } | { readonly identity: string; readonly issuer: string; readonly trustedRoot: string };

/** Whose signature an administrator trusts for some images of an upstream. */
export type TrustedUpstream = {
  readonly id: number;
  /** Pattern of `registry/repository`: `docker.io/library/*`. */
  readonly images: string;
  readonly by: Trusted;
  readonly keyId: string;
  /** Such an image is not imported without a signature by a key that is trusted for it. */
  readonly required: boolean;
  /** Pattern of further names that a signature may be made for. */
  readonly signedAs?: string;
  readonly addedBy: string;
  readonly addedAt: string;
};

export type UpstreamTrust = {
  list(): Promise<TrustedUpstream[]>;
  /** @throws WaybillError INVALID_INPUT for a pattern that is none, CONFLICT for the same pattern and key again */
  add(rule: Omit<TrustedUpstream, 'id' | 'addedAt'>): Promise<TrustedUpstream>;
  /** @returns what was removed, if it was there */
  remove(id: number): Promise<TrustedUpstream | undefined>;
};

const most = 1_000;
const keptIdentity = z.object({ identity: z.string(), issuer: z.string(), trustedRoot: z.string() });

export function openUpstreamTrust(store: Store, clock: Clock): UpstreamTrust {
  const db = store.as<RegistryTables>();
  return {
    async list() {
      return (await db.selectFrom('registry_trust').selectAll().orderBy('id').limit(most).execute()).map(ruleOf);
    },
    async add(rule) {
      for (const pattern of [rule.images, rule.signedAs ?? rule.images])
        if (!isPathPattern(pattern) || !pattern.includes('/'))
          throw new WaybillError('INVALID_INPUT', `${JSON.stringify(pattern.slice(0, 300))} is no pattern of images`, {
            fix: 'Write registry and repository in lower case, without a tag; * stands for one part, ** for any: docker.io/library/*.',
          });
      return await db.transaction().execute(async (trx) => {
        const same = await trx
          .selectFrom('registry_trust')
          .select('id')
          .where('images', '=', rule.images)
          .where('key_id', '=', rule.keyId)
          .executeTakeFirst();
        if (same)
          throw new WaybillError('CONFLICT', `this key is trusted for ${rule.images} already (${same.id})`, {
            fix: `Remove it first to add it in another way: waybill image trust remove ${same.id}`,
          });
        const row = await trx
          .insertInto('registry_trust')
          .values({
            images: rule.images,
            public_key: 'publicKey' in rule.by ? rule.by.publicKey : '',
            identity: 'identity' in rule.by ? JSON.stringify(rule.by) : null,
            key_id: rule.keyId,
            required: rule.required ? 1 : 0,
            signed_as: rule.signedAs ?? null,
            added_by: rule.addedBy,
            added_at: clock.now().toISOString(),
          })
          .returningAll()
          .executeTakeFirstOrThrow();
        return ruleOf(row);
      });
    },
    async remove(id) {
      const row = await db.deleteFrom('registry_trust').where('id', '=', id).returningAll().executeTakeFirst();
      return row && ruleOf(row);
    },
  };
}

function ruleOf(row: Selectable<RegistryTrustTable>): TrustedUpstream {
  return {
    id: row.id,
    images: row.images,
    by: row.identity === null ? { publicKey: row.public_key } : keptIdentity.parse(JSON.parse(row.identity)),
    keyId: row.key_id,
    required: row.required !== 0,
    ...(row.signed_as === null ? {} : { signedAs: row.signed_as }),
    addedBy: row.added_by,
    addedAt: row.added_at,
  };
}
