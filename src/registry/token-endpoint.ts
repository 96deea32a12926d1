import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../kernel/clock.ts';
import { Secret } from '../kernel/secret.ts';
import { isRepositoryPath } from '../oci/reference.ts';
import { covers, type Access, type BearerTokens } from './access.ts';
import { parseBasic, type Authority, type Refusal } from './authority.ts';
import { readBody } from './body.ts';
import type { TokenGrant } from './grant-log.ts';
import { ProtocolError, sendJson } from './protocol-error.ts';

/** A bearer token from here lives this long; a minted push or pull secret bounds it further. */
const lifetimeMs = 300_000;
const maxScopes = 50;

/**
 * The Docker registry token service (GET with Basic, and POST with an OAuth2 password grant, as containerd asks). Refresh tokens are not issued
 * (docs/decisions/0033): who asks for one (`offline_token`, `access_type`) gets an answer without, and goes on as before.
 * What is granted is the part of the asked scope that is allowed, which is never a push.
 */
export function createTokenEndpoint(parts: {
  authority: Authority;
  bearers: BearerTokens;
  clock: Clock;
  onRefusal: (refusal: Refusal) => void;
  addressOf: (request: IncomingMessage) => string;
  /** Hears of a grant before the client does. */
  onGrant: (grant: TokenGrant, now: number) => Promise<void>;
}): (request: IncomingMessage, response: ServerResponse, query: URLSearchParams) => Promise<void> {
  const { authority, bearers, clock } = parts;
  const basicChallenge = { 'www-authenticate': 'Basic realm="waybill",charset="UTF-8"' };

  return async (request, response, query) => {
    const asked = await readAsked(request, query);
    const access =
      asked.credentials &&
      (await authority.identifyBasic(asked.credentials.username, asked.credentials.password, parts.addressOf(request)));
    if (!access) throw new ProtocolError('UNAUTHORIZED', 'Name and token are wrong, missing, or expired', { headers: basicChallenge });
    const now = clock.now();
    const granted = grant(access, asked.scopes);
    const expiresAt = Math.min(now.getTime() + lifetimeMs, access.kind === 'person' ? Number.POSITIVE_INFINITY : access.expiresAt);
    const repositories = [...granted];
    await parts.onGrant(
      { kind: 'token', holder: access.holder, repositories, expiresAt: new Date(expiresAt).toISOString() },
      now.getTime(),
    );
    const token = bearers.issue(
      { kind: access.kind, holder: access.holder, mayPull: access.mayPull, pull: granted, expiresAt },
      now.getTime(),
    );
    const seconds = Math.max(1, Math.floor((expiresAt - now.getTime()) / 1000));
    sendJson(
      response,
      {
        token,
        access_token: token,
        token_type: 'Bearer',
        expires_in: seconds,
        issued_at: now.toISOString(),
        scope: [...granted].map((name) => `repository:${name}:pull`).join(' '),
      },
      { 'cache-control': 'no-store' },
    );
  };

  function grant(access: Access, scopes: readonly string[]): Set<string> {
    const granted = new Set<string>();
    for (const scope of scopes) {
      const [, repository, actions] = /^repository:([^:]+):([a-z,*]+)$/.exec(scope) ?? [];
      if (repository === undefined || actions === undefined || !isRepositoryPath(repository)) continue;
      const wanted = new Set(actions.split(','));
      if (wanted.has('push') || wanted.has('*') || wanted.has('delete'))
        parts.onRefusal({ action: 'push', repository, holder: access.holder, reason: 'a push scope was asked for and left out' });
      if ((wanted.has('pull') || wanted.has('*')) && covers(access.mayPull, repository)) granted.add(repository);
    }
    return granted;
  }
}

/** RFC 6749 section 5.2, beside the form of the other errors: clients read one or the other. */
class OauthError extends ProtocolError {
  constructor(error: 'invalid_request' | 'invalid_grant' | 'unsupported_grant_type', message: string) {
    super('UNSUPPORTED', message, { status: 400, oauth: error });
  }
}

type Asked = { readonly credentials: { username: string; password: Secret } | undefined; readonly scopes: readonly string[] };

async function readAsked(request: IncomingMessage, query: URLSearchParams): Promise<Asked> {
  const split = (values: readonly string[]) =>
    values
      .flatMap((value) => value.split(' '))
      .filter(Boolean)
      .slice(0, maxScopes);
  const fromHeader = parseBasic(request.headers.authorization ?? '');
  if (request.method === 'GET') return { credentials: fromHeader, scopes: split(query.getAll('scope')) };
  if (request.method !== 'POST')
    throw new ProtocolError('UNSUPPORTED', 'The token endpoint answers GET and POST', { headers: { allow: 'GET, POST' } });
  const form = new URLSearchParams((await readBody(request, 16_384)).toString('utf8'));
  const type = form.get('grant_type');
  if (type === null) throw new OauthError('invalid_request', 'The form must say grant_type=password');
  if (type === 'refresh_token')
    throw new OauthError('invalid_grant', 'This registry issues no refresh tokens; log in with a name and a token');
  if (type !== 'password') throw new OauthError('unsupported_grant_type', 'Only the password grant is known');
  const username = form.get('username') ?? '';
  const credentials = fromHeader ?? (username === '' ? undefined : { username, password: new Secret(form.get('password') ?? '') });
  return { credentials, scopes: split(form.getAll('scope')) };
}
