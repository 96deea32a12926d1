import { createHmac, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { WaybillError, messageOf } from '../kernel/error.ts';

/** 32 random bytes; `id` names the key without telling it. */
export type MasterKey = { readonly id: string; readonly bytes: Buffer };

const keyBytes = 32;

/** Writes a new master key: one line of base64, mode 0600. Never overwrites a file. */
export async function createMasterKey(file: string): Promise<void> {
  try {
    await using handle = await open(file, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW, 0o600);
    await handle.writeFile(`${randomBytes(keyBytes).toString('base64')}\n`);
    await handle.sync();
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST')
      throw new WaybillError('CONFLICT', `${file} exists already; a master key is never overwritten`, { cause });
    throw new WaybillError('SECRET_UNREADABLE', `the master key ${file} cannot be written: ${messageOf(cause)}`, { cause });
  }
}

/** @throws WaybillError SECRET_UNREADABLE when it is missing, readable by others, or no key */
export async function readMasterKey(file: string): Promise<MasterKey> {
  const bytes = Buffer.from(await readPrivate(file), 'base64');
  if (bytes.length !== keyBytes)
    throw new WaybillError('SECRET_UNREADABLE', `${file} is not a master key (${keyBytes} bytes in base64)`, {
      fix: 'Restore the file from its backup.',
    });
  return { id: createHmac('sha256', bytes).update('waybill master key id').digest('hex').slice(0, 16), bytes };
}

async function readPrivate(file: string): Promise<string> {
  const fix = 'Restore the file from its backup, or make a new one for a new installation.';
  try {
    await using handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW);
    const status = await handle.stat();
    if (!status.isFile() || status.size > 1024) throw new WaybillError('SECRET_UNREADABLE', `${file} is not a master key file`, { fix });
    if ((status.mode & 0o077) !== 0)
      throw new WaybillError(
        'SECRET_UNREADABLE',
        `${file} has mode ${(status.mode & 0o777).toString(8)}: others than its owner may open it`,
        {
          fix: `chmod 600 ${file}, and think about who may have read it.`,
        },
      );
    return await handle.readFile('utf8');
  } catch (cause) {
    if (cause instanceof WaybillError) throw cause;
    throw new WaybillError('SECRET_UNREADABLE', `the master key ${file} cannot be read: ${messageOf(cause)}`, { cause, fix });
  }
}
