import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Processes } from '../cli/context.ts';
import { configFile, type ConfigInput } from '../config/config.ts';
import { foldersOf, type Folders } from '../config/folders.ts';
import { openIdentity } from '../identity/identity.ts';
import { systemClock } from '../kernel/clock.ts';
import { WaybillError } from '../kernel/error.ts';
import { createMasterKey } from '../secrets/master-key.ts';
import { openStore } from '../store/store.ts';
import { openLedger } from '../ledger/ledger.ts';
import { migrations } from './migrations.ts';
import { createSignerFiles, readOrigin } from './signer-files.ts';

/** Makes a data directory with keys, configuration and the first administrator, whose token is returned once. */
export const init: Processes['init'] = async ({ data, url, port = 8080, admin, email }) => {
  const folders = foldersOf(data);
  await mkdir(folders.data, { recursive: true, mode: 0o700 });
  if ((await readdir(folders.data)).length > 0) {
    throw new WaybillError('CONFLICT', `${folders.data} is not empty`, {
      fix: 'Give another folder with --data, or start the server that is there.',
    });
  }
  // Also when it was there before: it is to hold keys now.
  await chmod(folders.data, 0o700);
  try {
    return await fill(folders, { url, port, admin, email });
  } catch (error) {
    // Half a data directory can neither be started nor be made whole.
    for (const name of await readdir(folders.data)) await rm(path.join(folders.data, name), { recursive: true, force: true });
    throw error;
  }
};

type Wanted = { readonly url: string | undefined; readonly port: number; readonly admin: string; readonly email: readonly string[] };

async function fill(folders: Folders, { url, port, admin, email }: Wanted): ReturnType<Processes['init']> {
  const config: ConfigInput = { server: { port, ...(url === undefined ? {} : { url }) } };
  const checked = configFile.safeParse(config);
  if (!checked.success) {
    const [issue] = checked.error.issues;
    throw new WaybillError('INVALID_INPUT', `${issue?.path.join('.')}: ${issue?.message}`);
  }
  await writeFile(folders.configFile, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
  await createMasterKey(folders.masterKeyFile);
  await createSignerFiles(folders.signer, systemClock.now());
  await using store = openStore(folders.storeFile);
  await store.migrate(migrations);
  const ledger = await openLedger(store, systemClock, await readOrigin(folders.signer));
  const identity = openIdentity(store, systemClock);
  const person = await identity.addPerson({ id: admin, emails: email, role: 'admin' });
  const { token } = await identity.mintToken(person, { label: 'first administrator' });
  await ledger.append({ kind: 'admin', subject: [admin], body: { act: 'init', administrator: admin } });
  return { token, url: url ?? `http://127.0.0.1:${port}`, folder: folders.data };
}
