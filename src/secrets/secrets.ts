import { WaybillError } from '../kernel/error.ts';
import { Secret } from '../kernel/secret.ts';
import type { Store } from '../store/store.ts';
import { readMasterKey } from './master-key.ts';
import { seal, unseal } from './seal.ts';

/** Sealed values in the database. Names are no secret; they look like paths: `environment/staging/kubeconfig`. */
export type Secrets = {
  /** Sets or replaces. At most 1 MiB. */
  put(name: string, value: Secret): Promise<void>;
  /** @throws WaybillError SECRET_UNREADABLE when it exists and cannot be opened */
  get(name: string): Promise<Secret | undefined>;
  /** True when there was one. */
  remove(name: string): Promise<boolean>;
  /** Names only, sorted. */
  list(): Promise<string[]>;
};

type Tables = { sealed_secret: { name: string; key_id: string; wrapped_key: string; value: string } };

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]*(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/;
const maxNameLength = 200;
const maxValueBytes = 1024 * 1024;

/**
 * @param masterKeyFile made by `createMasterKey`
 * @throws WaybillError SECRET_UNREADABLE when the key file is missing, or open to others
 */
export async function openSecrets(store: Store, masterKeyFile: string): Promise<Secrets> {
  const master = await readMasterKey(masterKeyFile);
  const db = store.as<Tables>();
  return {
    async put(name, value) {
      checkName(name);
      const plain = value.reveal();
      if (Buffer.byteLength(plain) > maxValueBytes) throw new WaybillError('LIMIT_EXCEEDED', `the secret ${name} is larger than 1 MiB`);
      const sealed = seal(master, name, plain);
      const row = { key_id: sealed.keyId, wrapped_key: sealed.wrappedKey, value: sealed.value };
      await db
        .insertInto('sealed_secret')
        .values({ name, ...row })
        .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
        .execute();
    },
    async get(name) {
      const row = await db.selectFrom('sealed_secret').selectAll().where('name', '=', name).executeTakeFirst();
      if (row === undefined) return undefined;
      return new Secret(unseal(master, name, { keyId: row.key_id, wrappedKey: row.wrapped_key, value: row.value }));
    },
    async remove(name) {
      const result = await db.deleteFrom('sealed_secret').where('name', '=', name).executeTakeFirst();
      return result.numDeletedRows > 0n;
    },
    async list() {
      const rows = await db.selectFrom('sealed_secret').select('name').orderBy('name').execute();
      return rows.map((row) => row.name);
    },
  };
}

function checkName(name: string): void {
  if (name.length > maxNameLength || !namePattern.test(name))
    throw new WaybillError(
      'INVALID_INPUT',
      `${JSON.stringify(name.slice(0, 100))} is no name for a secret (letters, digits, - _ . and / between them)`,
    );
}
