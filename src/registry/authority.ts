import type { IncomingMessage } from 'node:http';
import type { Clock } from '../kernel/clock.ts';
import { Secret } from '../kernel/secret.ts';
import { covers, type Access, type BearerTokens } from './access.ts';
import { isPullUser, type PullTokens } from './pull-tokens.ts';
import { ProtocolError } from './protocol-error.ts';
import { RateLimit, tooMany } from './rate-limit.ts';

export type Authenticate = (username: string, password: Secret) => Promise<{ person: string; admin: boolean } | undefined>;

/** A request that was refused, for the log and the ledger. */
export type Refusal = { readonly action: 'pull' | 'push'; readonly repository: string; readonly holder: string; readonly reason: string };

/** Who may do what: the only place that decides it. */
export type Authority = {
  /** Undefined for a request without credentials. @throws ProtocolError UNAUTHORIZED */
  identify(request: IncomingMessage): Promise<Access | undefined>;
  /** @param from the address that asks @throws ProtocolError TOOMANYREQUESTS after too many wrong ones */
  identifyBasic(username: string, password: Secret, from: string): Promise<Access | undefined>;
  /** @throws ProtocolError UNAUTHORIZED (with the challenge), DENIED */
  demand(access: Access | undefined, action: 'pull' | 'push', repository: string): void;
  /** @throws ProtocolError UNAUTHORIZED when nobody is there, for the base path */
  demandAnybody(access: Access | undefined): void;
};

export const pushRefusal =
  'nobody pushes but a run of the pipeline, administrators included; propose a change: git push origin HEAD:refs/for/main';

export function createAuthority(parts: {
  bearers: BearerTokens;
  pulls: PullTokens;
  authenticate: Authenticate;
  clock: Clock;
  realm: string;
  service: string;
  onRefusal: (refusal: Refusal) => void;
  addressOf: (request: IncomingMessage) => string;
}): Authority {
  const { bearers, pulls, clock } = parts;
  const challenge = (scope?: string, error?: string) => {
    const fields = [`realm="${parts.realm}"`, `service="${parts.service}"`];
    if (scope !== undefined) fields.push(`scope="${scope}"`);
    if (error !== undefined) fields.push(`error="${error}"`);
    return { 'www-authenticate': `Bearer ${fields.join(',')}` };
  };

  /** Guessing is slow, whoever is guessed at; a right one among them does not wait for others' wrong ones. */
  const failures = new RateLimit({ perSecond: 0.2, burst: 30 });
  /** One address that tries many names; wide, because many machines can share one. */
  const failuresOfAddress = new RateLimit({ perSecond: 2, burst: 300 });

  async function identifyBasic(username: string, password: Secret, from: string): Promise<Access | undefined> {
    const key = `${from} ${username}`;
    const now = clock.now().getTime();
    const seconds = Math.max(failures.wait(key, now), failuresOfAddress.wait(from, now));
    if (seconds > 0) throw tooMany('Too many wrong credentials', seconds);
    // Taken before it is known, so that many at once do not all pass; given back when it was right.
    failures.take(key, now);
    failuresOfAddress.take(from, now);
    const access = await verify(username, password);
    if (access) {
      failures.give(key);
      failuresOfAddress.give(from);
    }
    return access;
  }

  async function verify(username: string, password: Secret): Promise<Access | undefined> {
    if (isPullUser(username)) return await pulls.find(username, password);
    const known = await parts.authenticate(username, password);
    if (!known) return undefined;
    const expiresAt = clock.now().getTime() + 300_000;
    return { kind: 'person', holder: known.person, mayPull: 'everything', pull: 'everything', expiresAt };
  }

  return {
    identifyBasic,
    async identify(request) {
      const header = request.headers.authorization;
      if (header === undefined) return undefined;
      const basic = parseBasic(header);
      const bearer = /^bearer +([A-Za-z0-9._~+/=-]{1,4096})$/i.exec(header)?.[1];
      const access = basic
        ? await identifyBasic(basic.username, basic.password, parts.addressOf(request))
        : bearer === undefined
          ? undefined
          : bearers.find(bearer, clock.now().getTime());
      if (!access)
        throw new ProtocolError('UNAUTHORIZED', 'The credentials are wrong or have expired', {
          headers: challenge(undefined, 'invalid_token'),
        });
      return access;
    },
    demandAnybody(access) {
      if (!access) throw new ProtocolError('UNAUTHORIZED', 'Authentication is required', { headers: challenge() });
    },
    demand(access, action, repository) {
      const scope = `repository:${repository}:${action === 'push' ? 'pull,push' : 'pull'}`;
      if (!access) throw new ProtocolError('UNAUTHORIZED', 'Authentication is required', { headers: challenge(scope) });
      const deny = (reason: string) => {
        parts.onRefusal({ action, repository, holder: access.holder, reason });
        return new ProtocolError('DENIED', reason, { detail: { repository, action } });
      };
      if (access.revoked || access.expiresAt <= clock.now().getTime())
        throw new ProtocolError('UNAUTHORIZED', 'The token has expired or was taken back', { headers: challenge(scope, 'invalid_token') });
      if (action === 'push') {
        if (access.push === repository) return;
        throw deny(access.push === undefined ? pushRefusal : `this push token is for ${access.push} alone`);
      }
      if (covers(access.pull, repository) || (access.pullBelow !== undefined && repository.startsWith(access.pullBelow))) return;
      if (!covers(access.mayPull, repository)) throw deny(`this token of ${access.holder} does not cover ${repository}`);
      throw new ProtocolError('UNAUTHORIZED', 'The token was not asked for this repository', {
        headers: challenge(scope, 'insufficient_scope'),
      });
    },
  };
}

/** Asks nobody for anything. */
export function openAuthority(): Authority {
  const anybody: Access = {
    kind: 'person',
    holder: 'anybody',
    mayPull: 'everything',
    pull: 'everything',
    expiresAt: Number.POSITIVE_INFINITY,
  };
  return {
    identify: async () => anybody,
    identifyBasic: async () => anybody,
    demand() {},
    demandAnybody() {},
  };
}

/** RFC 7617; undefined when the header is of another scheme or malformed. */
export function parseBasic(header: string): { username: string; password: Secret } | undefined {
  const encoded = /^basic +([A-Za-z0-9+/=]{1,8192})$/i.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 1) return undefined;
  return { username: text.slice(0, colon), password: new Secret(text.slice(colon + 1)) };
}
