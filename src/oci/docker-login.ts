import { execa } from 'execa';
import { readFile, stat } from 'node:fs/promises';
import { z } from 'zod';
import { WaybillError } from '../kernel/error.ts';
import { Secret } from '../kernel/secret.ts';
import type { RegistryAuth } from './client-session.ts';

/**
 * Logins that `docker login`, `podman login` and their like have left: `auths` with a password or an identity token, and the credential helpers
 * that a file names (Docker's config.json; containers-auth.json(5) is the same format).
 */
const configSchema = z.object({
  auths: z
    .record(
      z.string(),
      z.object({
        auth: z.string().optional(),
        username: z.string().optional(),
        password: z.string().optional(),
        identitytoken: z.string().optional(),
      }),
    )
    .nullish(),
  credsStore: z.string().optional(),
  credHelpers: z.record(z.string(), z.string()).nullish(),
});
type DockerConfig = z.infer<typeof configSchema>;

const helperAnswer = z.object({ Username: z.string(), Secret: z.string() });
const largestFile = 1024 * 1024;
const helperMs = 30_000;
/** How Docker Hub is written in these files. */
const hubKeys = ['https://index.docker.io/v1/', 'index.docker.io', 'docker.io', 'registry-1.docker.io'];

/**
 * The login for a repository, from the first file that has one; undefined when none has.
 * @param files in the order of their rank; those that do not exist are passed over
 * @throws WaybillError INVALID_INPUT for a file that cannot be read, MISSING_PROGRAM for a helper that is not there
 */
export async function dockerLogin(
  files: readonly string[],
  registry: string,
  repository: string,
  signal: AbortSignal,
): Promise<RegistryAuth | undefined> {
  for (const file of files) {
    const config = await readConfig(file);
    if (config === undefined) continue;
    for (const key of keysFor(registry, repository)) {
      const helper = config.credHelpers?.[key];
      const found = helper === undefined ? fromAuths(config, key, file) : await askHelper(helper, key, signal);
      if (found) return found;
    }
    if (config.credsStore === undefined || config.credsStore === '') continue;
    for (const key of hubKeys.includes(registry) ? hubKeys : [registry, `https://${registry}`]) {
      const found = await askHelper(config.credsStore, key, signal);
      if (found) return found;
    }
  }
  return undefined;
}

/** Narrower names first, as containers-auth.json(5) has them: `host/a/b`, `host/a`, `host`, and the forms with a scheme that Docker writes. */
function keysFor(registry: string, repository: string): string[] {
  const parts = repository.split('/');
  const hosts = hubKeys.includes(registry) ? hubKeys : [registry];
  const narrow = hosts.flatMap((host) => parts.map((_, index) => [host, ...parts.slice(0, parts.length - index)].join('/')));
  return [
    ...narrow,
    ...hosts,
    ...hosts.flatMap((host) => [`https://${host}`, `http://${host}`, `https://${host}/v1/`, `https://${host}/v2/`]),
  ];
}

async function readConfig(file: string): Promise<DockerConfig | undefined> {
  const refuse = (cause: unknown) => new WaybillError('INVALID_INPUT', `${file} cannot be read as a file of registry logins`, { cause });
  try {
    const { size } = await stat(file);
    if (size > largestFile) throw refuse(undefined);
    return configSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    // The parser's own message may quote what it read.
    throw error instanceof WaybillError ? error : refuse(undefined);
  }
}

function fromAuths(config: DockerConfig, key: string, file: string): RegistryAuth | undefined {
  const entry = config.auths?.[key];
  if (entry === undefined) return undefined;
  if (entry.identitytoken !== undefined && entry.identitytoken !== '') return { identityToken: new Secret(entry.identitytoken) };
  if (entry.auth !== undefined && entry.auth !== '') {
    const [, username, password] = /^([^:]*):(.*)$/s.exec(Buffer.from(entry.auth, 'base64').toString('utf8')) ?? [];
    if (username === undefined || password === undefined)
      throw new WaybillError('INVALID_INPUT', `${file}: the login for ${key} is not a name and a password in base64`);
    return login(username, password.replace(/\0+$/, ''));
  }
  if (entry.username !== undefined && entry.password !== undefined) return login(entry.username, entry.password);
  return undefined;
}

function login(username: string, secret: string): RegistryAuth {
  // By this name helpers and files say that what follows is an identity token (docker-credential-helpers, "Development").
  return username === '<token>' ? { identityToken: new Secret(secret) } : { username, password: new Secret(secret) };
}

/** Runs `docker-credential-NAME get`, the server's name on its input. */
async function askHelper(name: string, server: string, signal: AbortSignal): Promise<RegistryAuth | undefined> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,100}$/.test(name))
    throw new WaybillError('INVALID_INPUT', `${JSON.stringify(name.slice(0, 100))} is no name of a credential helper`);
  const program = `docker-credential-${name}`;
  const result = await execa(program, ['get'], {
    input: server,
    cancelSignal: signal,
    timeout: helperMs,
    maxBuffer: largestFile,
    reject: false,
    stderr: 'ignore',
  });
  signal.throwIfAborted();
  if (result.code === 'ENOENT')
    throw new WaybillError('MISSING_PROGRAM', `the login for ${server} is kept by ${program}, which is not there`);
  // A helper says on its output that it knows no login, and ends with 1.
  if (result.failed) {
    if (/credentials not found/i.test(result.stdout)) return undefined;
    throw new WaybillError('UNAUTHENTICATED', `${program} gave no login for ${server} (status ${result.exitCode ?? 'none'})`, {
      fix: `Try it: echo ${server} | ${program} get`,
    });
  }
  const answer = helperAnswer.safeParse(parseJson(result.stdout));
  if (!answer.success) throw new WaybillError('UNAUTHENTICATED', `${program} answered what is no login for ${server}`);
  if (answer.data.Username === '' && answer.data.Secret === '') return undefined;
  return login(answer.data.Username, answer.data.Secret);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
