import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { WaybillError } from '../kernel/error.ts';
import type { MasterKey } from './master-key.ts';

/** Both parts are nonce (12 bytes), ciphertext and tag (16 bytes) of AES-256-GCM, in base64. */
export type Sealed = { readonly keyId: string; readonly wrappedKey: string; readonly value: string };

const algorithm = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;

/** A data key of its own for each value, wrapped by the master key; both are bound to `name`. */
export function seal(master: MasterKey, name: string, plain: string): Sealed {
  const dataKey = randomBytes(32);
  try {
    return {
      keyId: master.id,
      wrappedKey: encrypt(master.bytes, dataKey, `waybill/secret/v1/key\0${name}`),
      value: encrypt(dataKey, Buffer.from(plain, 'utf8'), `waybill/secret/v1/value\0${name}`),
    };
  } finally {
    dataKey.fill(0);
  }
}

/** @throws WaybillError SECRET_UNREADABLE for another master key, a changed ciphertext, or another name */
export function unseal(master: MasterKey, name: string, sealed: Sealed): string {
  if (sealed.keyId !== master.id)
    throw new WaybillError('SECRET_UNREADABLE', `${name} was sealed with the master key ${sealed.keyId}, not with this one (${master.id})`);
  const dataKey = decrypt(master.bytes, sealed.wrappedKey, `waybill/secret/v1/key\0${name}`, name);
  try {
    return decrypt(dataKey, sealed.value, `waybill/secret/v1/value\0${name}`, name).toString('utf8');
  } finally {
    dataKey.fill(0);
  }
}

function encrypt(key: Buffer, plain: Buffer, bound: string): string {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: tagBytes });
  cipher.setAAD(Buffer.from(bound));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString('base64');
}

function decrypt(key: Buffer, text: string, bound: string, name: string): Buffer {
  const sealed = Buffer.from(text, 'base64');
  try {
    const end = sealed.length - tagBytes;
    const decipher = createDecipheriv(algorithm, key, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes });
    decipher.setAAD(Buffer.from(bound));
    decipher.setAuthTag(sealed.subarray(end));
    return Buffer.concat([decipher.update(sealed.subarray(nonceBytes, end)), decipher.final()]);
  } catch (cause) {
    throw new WaybillError('SECRET_UNREADABLE', `${name} was changed in the database, or belongs to another name`, {
      cause,
      fix: 'Find out who writes to the database; restore it from a backup, or set the secret again.',
    });
  }
}
