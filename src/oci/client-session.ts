import { z } from 'zod';
import { WaybillError } from '../kernel/error.ts';
import { Secret } from '../kernel/secret.ts';
import { parseChallenge, type Challenge } from './challenge.ts';
import { readAnswer, type HttpBody, type HttpResponse, type Transport } from './transport.ts';

/** `identityToken`: a refresh token that the registry's token endpoint exchanges (Docker's OAuth 2 token specification). */
export type RegistryAuth =
  | { readonly bearer: Secret }
  | { readonly username: string; readonly password: Secret }
  | { readonly identityToken: Secret };

export type Call = {
  readonly method: string;
  /** Below the registry's origin, or an absolute URL that the registry gave as Location. */
  readonly path: string;
  readonly repository: string;
  readonly action: 'pull' | 'pull,push';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: HttpBody;
  readonly repeatable?: boolean;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
};

/** Requests to one registry, with the Bearer and Basic challenges answered (Docker token spec). */
export type ClientSession = { call(call: Call): Promise<HttpResponse> };

const tokenSchema = z.object({ token: z.string().optional(), access_token: z.string().optional(), expires_in: z.number().optional() });
type CachedToken = { readonly authorization: Secret; readonly until: number };

export function createSession(options: {
  origin: URL;
  transport: Transport;
  auth: RegistryAuth | undefined;
  callTimeoutMs: number;
  now: () => number;
}): ClientSession {
  const { origin, transport, auth, callTimeoutMs, now } = options;
  const cache = new Map<string, CachedToken>();
  const scopeOf = (call: Call) => `repository:${call.repository}:${call.action}`;

  async function send(call: Call, authorization: Secret | undefined): Promise<HttpResponse> {
    const url = new URL(call.path, origin);
    if (url.protocol !== origin.protocol && url.protocol !== 'https:')
      throw new WaybillError('REGISTRY_FAILED', `${origin.host} points to ${url.protocol}//${url.host}, which is not followed`);
    // An upload may go to another host: the registry's credentials do not.
    const withAuth = authorization !== undefined && url.host === origin.host;
    return await transport.send({
      method: call.method,
      url,
      headers: { 'user-agent': 'waybill', ...call.headers, ...(withAuth ? { authorization: authorization.reveal() } : {}) },
      ...(call.body ? { body: call.body } : {}),
      signal: call.signal,
      timeoutMs: call.timeoutMs ?? callTimeoutMs,
      repeatable: call.repeatable ?? (call.method === 'GET' || call.method === 'HEAD'),
    });
  }

  function known(call: Call): Secret | undefined {
    if (auth && 'bearer' in auth) return new Secret(`Bearer ${auth.bearer.reveal()}`);
    const cached = cache.get(scopeOf(call));
    return cached && cached.until > now() ? cached.authorization : undefined;
  }

  async function answerChallenge(challenge: Challenge | undefined, call: Call): Promise<CachedToken | undefined> {
    if (auth && 'bearer' in auth) return undefined;
    const basic =
      auth && 'username' in auth && new Secret(`Basic ${Buffer.from(`${auth.username}:${auth.password.reveal()}`).toString('base64')}`);
    if (challenge?.scheme === 'basic') return basic ? { authorization: basic, until: now() + 3_600_000 } : undefined;
    const realm = challenge?.parameters['realm'];
    if (challenge?.scheme !== 'bearer' || realm === undefined || !URL.canParse(realm)) return undefined;
    const url = new URL(realm);
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && origin.protocol === 'http:'))
      throw new WaybillError('REGISTRY_FAILED', `${origin.host} wants credentials sent to ${url.origin} unencrypted`);
    const service = challenge.parameters['service'];
    const scopes = [...new Set([scopeOf(call), ...(challenge.parameters['scope']?.split(' ') ?? [])])];
    const refresh = auth && 'identityToken' in auth ? exchangeForm(auth.identityToken, service ?? origin.host, scopes) : undefined;
    if (!refresh) {
      if (service !== undefined) url.searchParams.set('service', service);
      for (const scope of scopes) url.searchParams.append('scope', scope);
    }
    const response = await transport.send({
      method: refresh ? 'POST' : 'GET',
      url,
      headers: {
        'user-agent': 'waybill',
        accept: 'application/json',
        ...(basic ? { authorization: basic.reveal() } : {}),
        ...(refresh ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
      },
      ...(refresh ? { body: { bytes: refresh } } : {}),
      signal: call.signal,
      timeoutMs: callTimeoutMs,
      repeatable: true,
    });
    const text = (await readAnswer(response, 1024 * 1024)).toString('utf8');
    if (response.status !== 200)
      throw new WaybillError(
        response.status === 401 ? 'UNAUTHENTICATED' : 'REGISTRY_FAILED',
        `${url.origin}${url.pathname} gave no token (status ${response.status})`,
        {
          fix: 'Check the name and the password for this registry.',
        },
      );
    const parsed = tokenSchema.safeParse(parseJson(text));
    const token = parsed.data?.token ?? parsed.data?.access_token;
    if (token === undefined) throw new WaybillError('REGISTRY_FAILED', `${url.origin}${url.pathname} answered without a token`);
    // Some seconds less, so that it does not expire on the way.
    const seconds = Math.max(5, (parsed.data?.expires_in ?? 60) - 10);
    return { authorization: new Secret(`Bearer ${token}`), until: now() + seconds * 1000 };
  }

  return {
    async call(call) {
      const first = await send(call, known(call));
      if (first.status !== 401) return first;
      const fresh = await answerChallenge(parseChallenge(first.headers['www-authenticate']), call);
      if (!fresh) return first;
      first.body.resume();
      cache.set(scopeOf(call), fresh);
      return await send(call, fresh.authorization);
    },
  };
}

/** distribution, spec/auth/oauth.md: "Refresh token format". */
function exchangeForm(token: Secret, service: string, scopes: readonly string[]): Buffer {
  return Buffer.from(
    new URLSearchParams({
      grant_type: 'refresh_token',
      service,
      client_id: 'waybill',
      scope: scopes.join(' '),
      refresh_token: token.reveal(),
    }).toString(),
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
