import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { WaybillError } from '../kernel/error.ts';
import { Secret } from '../kernel/secret.ts';

/** Where `waybill login` keeps server and token (mode 0600); WAYBILL_URL and WAYBILL_TOKEN go before it. */
export function loginFile(environment: NodeJS.ProcessEnv) {
  const folder = path.join(environment['XDG_CONFIG_HOME'] ?? path.join(environment['HOME'] ?? '.', '.config'), 'waybill');
  const file = path.join(folder, 'login.json');
  return {
    async save(url: string, token: Secret): Promise<string> {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      // Made anew: the mode holds for a new file alone.
      await rm(file, { force: true });
      await writeFile(file, JSON.stringify({ url, token: token.reveal() }), { mode: 0o600, flag: 'wx' });
      return file;
    },
    async forget(): Promise<void> {
      await rm(file, { force: true });
    },
    async load(): Promise<{ url: string; token: Secret }> {
      const { WAYBILL_URL: url, WAYBILL_TOKEN: token } = environment;
      if (url !== undefined && token !== undefined) return { url, token: new Secret(token) };
      const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
        if (cause.code !== 'ENOENT') throw cause;
        throw new WaybillError('UNAUTHENTICATED', 'no server is known', {
          cause,
          fix: 'waybill login URL, or set WAYBILL_URL and WAYBILL_TOKEN.',
        });
      });
      // Loaded when it is needed: it takes longer to read than all the rest of a small command.
      const { z } = await import('zod');
      const parsed = z.object({ url: z.url(), token: z.string() }).safeParse(JSON.parse(text));
      if (!parsed.success) throw new WaybillError('INVALID_INPUT', `${file} is damaged`, { fix: 'Log in again: waybill login URL' });
      return { url: url ?? parsed.data.url, token: token === undefined ? new Secret(parsed.data.token) : new Secret(token) };
    },
  };
}
