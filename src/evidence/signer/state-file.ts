import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { WaybillError, messageOf } from '../../kernel/error.ts';

/** What must survive a restart of the signer, so that it never signs backwards. Mode 0600, in the signer's own folder. */
export type StateFile<T> = { load(): Promise<T | undefined>; save(state: T): Promise<void> };

/** The last ledger head that was signed; fits the ledger's `HeadMemory`, once its root is branded. */
export const signedHeadSchema = z.strictObject({ size: z.int().min(0), root: z.string().regex(/^[0-9a-f]{64}$/) });
/** The last snapshot that was signed. */
export const signedSnapshotSchema = z.strictObject({ sequence: z.int().min(0), issuedAt: z.iso.datetime() });

/** A JSON file that is replaced as a whole: written beside, synced, renamed. A damaged file is an error, never "nothing signed yet". */
export function stateFile<T>(path: string, schema: z.ZodType<T>): StateFile<T> {
  return {
    async load() {
      let text: string;
      try {
        text = await readFile(path, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
      try {
        return schema.parse(JSON.parse(text));
      } catch (cause) {
        throw new WaybillError('STORE_FAILED', `the signer's state ${path} cannot be read: ${messageOf(cause).slice(0, 200)}`, { cause });
      }
    },
    async save(state) {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const temporary = `${path}.next`;
      {
        await using file = await open(temporary, 'w', 0o600);
        await file.writeFile(JSON.stringify(state));
        await file.sync();
      }
      await rename(temporary, path);
      await using folder = await open(dirname(path), 'r');
      await folder.sync();
    },
  };
}
