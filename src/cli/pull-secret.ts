import path from 'node:path';
import { stringify } from 'yaml';
import { endpoints } from '../api/endpoints.ts';
import { WaybillError } from '../kernel/error.ts';
import { Secret } from '../kernel/secret.ts';
import { dockerConfig, dockerHub, type DockerLogin } from '../oci/docker-config.ts';
import { dockerLogin } from '../oci/docker-login.ts';
import { isRegistryHost } from '../oci/reference.ts';
import type { CliContext } from './context.ts';
import type { PullSecretObject } from './pull-secret-object.ts';

export type PullSecretOptions = {
  readonly server: readonly string[];
  readonly username?: string;
  readonly passwordStdin: boolean;
  readonly email?: string;
  readonly fromFile?: string;
  readonly namespace?: string;
  readonly dryRun: boolean;
  readonly output?: string;
  readonly kubeconfig?: string;
  /** Takes the login from the server of Waybill: what this environment pulls there. */
  readonly environment?: string;
  readonly repository?: readonly string[];
  readonly days?: number;
};

const secretName = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;
const namespaceName = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** @throws WaybillError INVALID_INPUT, UNAUTHENTICATED when a file has no login for the server */
export async function makePullSecret(context: CliContext, name: string, options: PullSecretOptions): Promise<PullSecretObject> {
  if (!secretName.test(name)) throw new WaybillError('INVALID_INPUT', `${JSON.stringify(name.slice(0, 100))} is no name for a Secret`);
  if (options.namespace !== undefined && !namespaceName.test(options.namespace))
    throw new WaybillError('INVALID_INPUT', `${JSON.stringify(options.namespace.slice(0, 100))} is no name of a namespace`);
  const servers = options.server.length > 0 ? options.server : [dockerHub];
  for (const server of servers)
    if (server !== dockerHub && !isRegistryHost(hostOf(server)))
      throw new WaybillError('INVALID_INPUT', `${JSON.stringify(server.slice(0, 200))} is no registry`, {
        fix: 'Write it as it stands in references to images: registry.example:5000.',
      });
  const logins = await loginsFor(context, servers, options);
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, ...(options.namespace === undefined ? {} : { namespace: options.namespace }) },
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': Buffer.from(dockerConfig(logins)).toString('base64') },
  };
}

async function loginsFor(context: CliContext, servers: readonly string[], options: PullSecretOptions): Promise<DockerLogin[]> {
  if (options.environment !== undefined) return fromServer(context, options.environment, options);
  if ((options.repository ?? []).length > 0 || options.days !== undefined)
    throw new WaybillError('INVALID_INPUT', '--repository and --days are for a key of an environment', { fix: 'Give --environment NAME.' });
  return options.fromFile === undefined ? fromOptions(context, servers, options) : fromFile(context, servers, options);
}

/** A key that Waybill's own registry makes for this; administrators ask for it, and the ledger has it. */
async function fromServer(context: CliContext, name: string, options: PullSecretOptions): Promise<DockerLogin[]> {
  if (options.server.length > 0 || options.username !== undefined || options.passwordStdin || options.fromFile !== undefined)
    throw new WaybillError('INVALID_INPUT', 'with --environment the server makes name and password itself', {
      fix: 'Leave out --server, --username, --password-stdin and --from-file.',
    });
  const made = await (
    await context.client()
  ).call(endpoints.mintPullSecret, {
    params: { name },
    body: { repositories: [...(options.repository ?? [])], ...(options.days === undefined ? {} : { days: options.days }) },
  });
  context.note(`It pulls ${made.repositories.join(', ')} from ${made.server} until ${made.expiresAt}, and nothing renews it.`);
  return [
    {
      server: made.server,
      username: made.username,
      password: new Secret(made.password),
      ...(options.email === undefined ? {} : { email: options.email }),
    },
  ];
}

/** In the order in which kubectl prints it. */
export function printed(secret: PullSecretObject, output: string): string {
  const { apiVersion, data, kind, metadata, type } = secret;
  const object = { apiVersion, data, kind, metadata, type };
  return output === 'json' ? JSON.stringify(object, null, 4) : stringify(object, { lineWidth: 0 }).trimEnd();
}

async function fromOptions(context: CliContext, servers: readonly string[], options: PullSecretOptions): Promise<DockerLogin[]> {
  const [server, ...others] = servers;
  if (server === undefined || others.length > 0)
    throw new WaybillError('INVALID_INPUT', 'one name and password are for one server', {
      fix: 'Give --server once, or take several logins from a file: --from-file ~/.docker/config.json.',
    });
  if (options.username === undefined || !options.passwordStdin)
    throw new WaybillError('INVALID_INPUT', 'a pull secret needs a name and a password', {
      fix: 'waybill pull-secret create NAME --server HOST --username NAME --password-stdin < FILE, or --from-file ~/.docker/config.json.',
    });
  // The newline at its end is the shell's.
  const password = new Secret((await context.readStdin()).replace(/\r?\n$/, ''));
  if (password.reveal() === '') throw new WaybillError('INVALID_INPUT', 'the password on standard input is empty');
  return [{ server, username: options.username, password, ...(options.email === undefined ? {} : { email: options.email }) }];
}

/** Only the servers that were asked for: a file has more logins than a namespace should see. */
async function fromFile(context: CliContext, servers: readonly string[], options: PullSecretOptions): Promise<DockerLogin[]> {
  const file = path.resolve(context.cwd, options.fromFile ?? '');
  const logins: DockerLogin[] = [];
  for (const server of servers) {
    const found = await dockerLogin([file], server === dockerHub ? 'docker.io' : hostOf(server), '', context.signal);
    if (!found)
      throw new WaybillError('UNAUTHENTICATED', `${options.fromFile} has no login for ${server}`, {
        fix: `docker login ${server}, or name the server as the file does.`,
      });
    if (!('password' in found))
      throw new WaybillError('UNSUPPORTED', `the login for ${server} is an identity token, with which a kubelet cannot pull`, {
        fix: 'Make a password or token for pulling, and give it with --username and --password-stdin.',
      });
    logins.push({
      server,
      username: found.username,
      password: found.password,
      ...(options.email === undefined ? {} : { email: options.email }),
    });
  }
  return logins;
}

function hostOf(server: string): string {
  return server.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
}
