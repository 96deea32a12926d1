import { z } from 'zod';
import { WaybillError, isWaybillError } from '../kernel/error.ts';
import { Secret } from '../kernel/secret.ts';
import { parseChallenge, type Challenge } from './challenge.ts';
import { readAnswer, type HttpBody, type HttpResponse, type Transport } from './transport.ts';

/** `identityToken`: a refresh token that the registry's token endpoint exchanges (Docker's OAuth 2 token specification). */
export type RegistryAuth =
  | { readonly bearer: Secret }
  | { readonly username: string; readonly password: Secret }
  | { readonly identityToken: Secret };

/** Asked before the first call, and once more with `true` when the registry has refused what it gave. */
export type RegistryAuthSource = (refused: boolean) => Promise<RegistryAuth>;

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
const mostTokens = 2_000;
type CachedToken = { readonly authorization: Secret; readonly until: number };

export function createSession(options: {
  origin: URL;
  transport: Transport;
  auth: RegistryAuth | RegistryAuthSource | undefined;
  /** Hosts besides the registry's own that may be given the credential for a token; undefined: any by HTTPS. */
  tokenHosts: readonly string[] | undefined;
  callTimeoutMs: number;
  /** Whether calls that say nothing else are tried again when they only read. */
  repeat: boolean;
  now: () => number;
}): ClientSession {
  const { origin, transport, callTimeoutMs, now } = options;
  const source = typeof options.auth === 'function' ? options.auth : undefined;
  let auth = typeof options.auth === 'function' ? undefined : options.auth;
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
      repeatable: call.repeatable ?? (options.repeat && (call.method === 'GET' || call.method === 'HEAD')),
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
    if (auth !== undefined && options.tokenHosts !== undefined && ![origin.host, ...options.tokenHosts].includes(url.host))
      throw new WaybillError('REGISTRY_FAILED', `${origin.host} wants its credential sent to ${url.host}, which is not allowed`, {
        fix: 'When that host gives the tokens of this registry, name it: --token-host.',
      });
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

  async function answered(first: HttpResponse, call: Call): Promise<HttpResponse> {
    let fresh: CachedToken | undefined;
    try {
      fresh = await answerChallenge(parseChallenge(first.headers['www-authenticate']), call);
    } catch (error) {
      first.body.destroy();
      throw error;
    }
    if (!fresh) return first;
    first.body.resume();
    // A session that lives as long as the server sees any number of repositories.
    if (cache.size >= mostTokens) cache.clear();
    cache.set(scopeOf(call), fresh);
    return await send(call, fresh.authorization);
  }

  return {
    async call(call) {
      if (source) auth ??= await source(false);
      const first = await send(call, known(call));
      if (first.status !== 401) return first;
      if (!source) return await answered(first, call);
      // What an exchange gave may have been taken back before its time: once, another is asked for.
      let second: HttpResponse | undefined;
      try {
        second = await answered(first, call);
        if (second.status !== 401) return second;
      } catch (error) {
        if (!isWaybillError(error, 'UNAUTHENTICATED')) throw error;
      }
      second?.body.resume();
      cache.clear();
      auth = await source(true);
      const again = await send(call, undefined);
      return again.status === 401 ? await answered(again, call) : again;
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
