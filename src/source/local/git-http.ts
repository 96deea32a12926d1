import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { WaybillError, isWaybillError, messageOf } from '../../kernel/error.ts';
import { isName } from '../../kernel/ids.ts';
import type { Logger } from '../../kernel/logger.ts';
import { Secret } from '../../kernel/secret.ts';
import type { Identity } from '../../identity/identity.ts';
import type { Person } from '../../identity/person.ts';
import { can } from '../../identity/roles.ts';
import { maxPushBytes } from './git-config.ts';
import type { Git } from './git.ts';
import { runCgi } from './http-backend.ts';
import type { Push } from './proc-receive.ts';
import type { Repositories } from './repositories.ts';
import { ensureInstalled } from './repository-folder.ts';

export type GitHttp = {
  readonly identity: Pick<Identity, 'authenticateBasic'>;
  readonly repositories: Pick<Repositories, 'find'>;
  readonly git: Git;
  /** Path of git-http-backend. */
  readonly backend: string;
  /** The folder of the bare repositories. */
  readonly root: string;
  /** Pushes in progress by their one-time id. */
  readonly pushes: Map<string, Push>;
  /** Programs of git that run for requests now. */
  readonly running: Set<object>;
  /** WAYBILL_NODE, WAYBILL_HOOK_RELAY, WAYBILL_HOOK_SOCKET. */
  readonly hookEnvironment: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly logger: Logger;
};

const deadline = 60 * 60_000;
const maxConversations = 64;
const maxFetchBytes = 64 * 1024 * 1024;

type Route = { readonly name: string; readonly rest: 'info/refs' | 'git-upload-pack' | 'git-receive-pack'; readonly service: string };

/**
 * Git's smart HTTP (gitprotocol-http(5)) under `/git/<name>.git/`, behind HTTP Basic with a person's name and token. The three
 * addresses of that protocol and nothing else; git's own `http-backend` speaks it. Always answers; never throws.
 */
export async function handleGitHttp(parts: GitHttp, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const person = await authenticate(parts, request);
    if (!person) {
      response.setHeader('www-authenticate', 'Basic realm="Waybill", charset="UTF-8"');
      throw new WaybillError('UNAUTHENTICATED', 'git needs your name and a token as password', {
        fix: 'The user name is yours in Waybill, the password a token: waybill token create NAME.',
      });
    }
    await serve(parts, person, request, response);
  } catch (error) {
    if (!isWaybillError(error)) parts.logger.error({ error }, 'git request failed');
    else if (error.status >= 500) parts.logger.error({ error: messageOf(error), code: error.code }, 'git request failed');
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    const known = isWaybillError(error) && error.status < 500;
    response.writeHead(isWaybillError(error) ? error.status : 500, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
    response.end(known ? `${error.title}: ${error.detail}\n${error.fix}\n` : 'Internal error\n');
    request.resume();
  }
}

async function serve(parts: GitHttp, person: Person, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const route = parseRoute(request);
  const repository = await parts.repositories.find(route.name);
  if (!repository) throw new WaybillError('NOT_FOUND', `no repository ${JSON.stringify(route.name)}`);
  const receiving = route.service === 'git-receive-pack';
  const action = receiving ? 'propose' : 'read';
  if (!can(person, action)) throw new WaybillError('FORBIDDEN', `${person.id} may not ${action}`);
  const maxBodyBytes = receiving ? maxPushBytes : maxFetchBytes;
  const length = request.headers['content-length'];
  if (length !== undefined && Number(length) > maxBodyBytes)
    throw new WaybillError('LIMIT_EXCEEDED', `the request has more than ${maxBodyBytes} bytes`);

  const environment: Record<string, string> = {
    ...parts.git.environment,
    GATEWAY_INTERFACE: 'CGI/1.1',
    SERVER_PROTOCOL: 'HTTP/1.1',
    GIT_PROJECT_ROOT: parts.root,
    GIT_HTTP_EXPORT_ALL: '1',
    REQUEST_METHOD: request.method ?? 'GET',
    PATH_INFO: `/${repository.name}.git/${route.rest}`,
    QUERY_STRING: route.rest === 'info/refs' ? `service=${route.service}` : '',
    CONTENT_TYPE: request.headers['content-type'] ?? '',
    REMOTE_USER: person.id,
    REMOTE_ADDR: request.socket.remoteAddress ?? '',
  };
  if (length !== undefined) environment['CONTENT_LENGTH'] = length;
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined) {
    if (encoding !== 'gzip' && encoding !== 'x-gzip') throw new WaybillError('INVALID_INPUT', 'the content encoding is not gzip');
    environment['HTTP_CONTENT_ENCODING'] = encoding;
  }
  const protocol = request.headers['git-protocol'];
  if (typeof protocol === 'string' && /^version=[012]$/.test(protocol)) environment['GIT_PROTOCOL'] = protocol;

  if (parts.running.size >= maxConversations) throw new WaybillError('BUSY', `${maxConversations} git conversations at once`);
  parts.running.add(request);
  const push = randomBytes(32).toString('hex');
  try {
    if (receiving) await ensureInstalled(repository.folder);
    if (route.rest === 'git-receive-pack') {
      Object.assign(environment, parts.hookEnvironment, { WAYBILL_PUSH: push });
      parts.pushes.set(push, { repository, person: person.id });
    }
    const { backend: program, signal, logger } = parts;
    await runCgi({ program, environment, request, response, maxBodyBytes, deadline, signal, logger });
  } finally {
    parts.pushes.delete(push);
    parts.running.delete(request);
  }
}

/** The raw path is matched, nothing is decoded: what holds `..` or `%` is no address of ours. @throws WaybillError */
function parseRoute(request: IncomingMessage): Route {
  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  const [, name = '', rest] = /^\/git\/([a-z0-9._-]{1,63})\.git\/(info\/refs|git-upload-pack|git-receive-pack)$/.exec(path) ?? [];
  if (!isName(name)) throw new WaybillError('NOT_FOUND', 'no such address; a clone URL ends in /git/NAME.git');
  if (rest === 'info/refs') {
    const service = /^service=(git-upload-pack|git-receive-pack)$/.exec(query)?.[1];
    if (request.method !== 'GET' || !service)
      throw new WaybillError('FORBIDDEN', 'only the smart protocol is served', { fix: 'Use git 1.6.6 or newer.' });
    return { name, rest, service };
  }
  if (rest !== 'git-upload-pack' && rest !== 'git-receive-pack') throw new WaybillError('NOT_FOUND', 'no such address');
  if (request.method !== 'POST' || request.headers['content-type'] !== `application/x-${rest}-request`)
    throw new WaybillError('INVALID_INPUT', `only POST of application/x-${rest}-request is served here`);
  return { name, rest, service: rest };
}

async function authenticate(parts: GitHttp, request: IncomingMessage): Promise<Person | undefined> {
  const [, encoded] = /^basic ([A-Za-z0-9+/=]{1,1000})$/i.exec(request.headers.authorization ?? '') ?? [];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return undefined;
  return parts.identity.authenticateBasic(text.slice(0, colon), new Secret(text.slice(colon + 1)));
}
