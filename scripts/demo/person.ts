import { execa } from 'execa';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { connectApi, type Client } from '../../src/api/client.ts';
import { Secret } from '../../src/kernel/secret.ts';

export type Outcome = { readonly ok: boolean; readonly text: string };

/** Somebody at a keyboard: git and `waybill` as separate processes, with a token of one's own and nothing else. */
export type Person = {
  readonly id: string;
  readonly token: Secret;
  readonly folder: string;
  readonly api: Client;
  waybill(...args: string[]): Promise<Outcome>;
  git(folder: string, ...args: string[]): Promise<Outcome>;
};

export async function makePerson(options: {
  id: string;
  token: Secret;
  url: string;
  folder: string;
  root: string;
  signal: AbortSignal;
}): Promise<Person> {
  const { id, token, url, folder, root, signal } = options;
  await mkdir(folder, { recursive: true });
  const basic = Buffer.from(`${id}:${token.reveal()}`).toString('base64');
  const base = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', HOME: folder, LANG: 'C.UTF-8', NO_COLOR: '1' };
  const run = async (file: string, args: readonly string[], cwd: string, env: Record<string, string>): Promise<Outcome> => {
    const done = await execa(file, args, {
      cwd,
      env: { ...base, ...env },
      extendEnv: false,
      reject: false,
      all: true,
      cancelSignal: signal,
      timeout: 120_000,
    });
    if (signal.aborted) throw new Error('interrupted');
    return { ok: done.exitCode === 0, text: done.all };
  };
  return {
    id,
    token,
    folder,
    api: connectApi({ url, token }),
    waybill: (...args) => run(path.join(root, 'bin', 'waybill'), args, folder, { WAYBILL_URL: url, WAYBILL_TOKEN: token.reveal() }),
    git: (where, ...args) =>
      run('git', ['-c', 'protocol.version=2', ...args], where, {
        GIT_TERMINAL_PROMPT: '0',
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_AUTHOR_NAME: id,
        GIT_COMMITTER_NAME: id,
        GIT_AUTHOR_EMAIL: `${id}@shop.example`,
        GIT_COMMITTER_EMAIL: `${id}@shop.example`,
        GIT_CONFIG_COUNT: '1',
        GIT_CONFIG_KEY_0: `http.${url}/.extraHeader`,
        GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
      }),
  };
}

/** The text of what must work. */
export async function must(outcome: Promise<Outcome>): Promise<string> {
  const { ok, text } = await outcome;
  if (!ok) throw new Error(text);
  return text;
}

/** The text of a refusal that must come, with the words that must be in it. */
export async function mustRefuse(outcome: Promise<Outcome>, words: RegExp): Promise<string> {
  const { ok, text } = await outcome;
  if (ok) throw new Error(`this was not refused:\n${text}`);
  if (!words.test(text)) throw new Error(`refused for another reason than ${words}:\n${text}`);
  return text;
}
