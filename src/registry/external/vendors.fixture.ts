import { strict as assert } from 'node:assert';
import { createHash, createHmac, generateKeyPairSync, randomUUID, timingSafeEqual } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { importSPKI, jwtVerify, SignJWT } from 'jose';
import { Secret } from '../../kernel/secret.ts';
import { createMasterKey } from '../../secrets/master-key.ts';
import { openSecrets, type Secrets } from '../../secrets/secrets.ts';
import { secretsMigrations } from '../../secrets/migrations.ts';
import { openStore, type Store } from '../../store/store.ts';
import { startTestRegistry } from '../registry.fixture.ts';
import { openExternalRegistries, type ExternalRegistries } from './external-registries.ts';
import { externalMigrations } from './migrations.ts';

/**
 * For tests: the documented exchanges of Microsoft, Amazon and Google, and of the registries behind them, spoken exactly and checked as those do
 * (client secrets, Signature Version 4, JWTs), in front of a real registry.
 */
export type Vendors = AsyncDisposable & {
  readonly externals: ExternalRegistries;
  readonly secrets: Secrets;
  readonly store: Store;
  readonly host: string;
  readonly folder: string;
  /** What was asked, in order: `entra`, `exchange`, `token`, `ecr GetAuthorizationToken`, `google`. */
  readonly calls: string[];
  readonly time: { aheadMs: number };
  /** What is different from the normal case. */
  readonly mood: {
    entraStatus?: number;
    forgetTokens?: boolean;
    realm?: string;
    redirectExchange?: string;
    expiresIn?: number;
    policy?: unknown;
    mutableTags?: boolean;
  };
  readonly repositories: Set<string>;
};

const google = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});
const signing = new TextEncoder().encode('a key of the registry in this test, long enough');

export const secretsOf = {
  acr: { tenant: 'contoso.example', clientId: '11111111-2222-3333-4444-555555555555', clientSecret: 'entra~secret+with/signs=' },
  ecr: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY', sessionToken: 'session/token==' },
  gar: {
    type: 'service_account',
    project_id: 'shop',
    private_key_id: 'key-1',
    private_key: google.privateKey,
    client_email: 'waybill@shop.iam.gserviceaccount.com',
    token_uri: 'https://attacker.example/token',
  },
  basic: { username: 'robot$shop+waybill', password: 'a robot’s password' },
} as const;

export const servers = {
  acr: 'contoso.azurecr.io',
  ecr: '123456789012.dkr.ecr.eu-central-1.amazonaws.com',
  gar: 'europe-west3-docker.pkg.dev',
} as const;

export async function startVendors(): Promise<Vendors> {
  await using undo = new AsyncDisposableStack();
  const behind = undo.use(await startTestRegistry({ open: true, mutableTags: true }));
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-external-'));
  undo.defer(() => rm(folder, { recursive: true, force: true }));
  const store = undo.use(openStore(path.join(folder, 'waybill.db')));
  await store.migrate([...secretsMigrations, ...externalMigrations]);
  await createMasterKey(path.join(folder, 'master.key'));
  const secrets = await openSecrets(store, path.join(folder, 'master.key'));

  const calls: string[] = [];
  const time = { aheadMs: 0 };
  const now = () => Date.now() + time.aheadMs;
  const mood: Vendors['mood'] = {};
  const repositories = new Set<string>();
  const valid = new Map<string, number>();
  const give = (prefix: string, seconds: number): string => {
    const token = `${prefix}-${randomUUID()}`;
    valid.set(token, now() + seconds * 1000);
    return token;
  };
  const holds = (token: string | undefined) => token !== undefined && (valid.get(token) ?? 0) > now();

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      response.statusCode = 400;
      response.end(JSON.stringify({ error: 'broken_request', message: error instanceof Error ? error.message : '' }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  undo.defer(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const host = `127.0.0.1:${address.port}`;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', `http://${host}`);
    if (url.pathname.startsWith('/v2/') || url.pathname === '/v2') return registryCall(request, response, url);
    const body = await buffer(request);
    const form = new URLSearchParams(body.toString('utf8'));
    const reply = (status: number, value: unknown, headers: Record<string, string> = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(JSON.stringify(value));
    };

    if (url.pathname === `/${secretsOf.acr.tenant}/oauth2/v2.0/token`) {
      calls.push('entra');
      if (mood.entraStatus !== undefined)
        return reply(mood.entraStatus, { error: 'invalid_client', error_description: form.get('client_secret') });
      assert.equal(form.get('grant_type'), 'client_credentials');
      assert.equal(form.get('scope'), 'https://containerregistry.azure.net/.default');
      if (form.get('client_id') !== secretsOf.acr.clientId || form.get('client_secret') !== secretsOf.acr.clientSecret)
        return reply(401, { error: 'invalid_client', error_description: `secret ${form.get('client_secret') ?? ''} is wrong` });
      return reply(200, { token_type: 'Bearer', expires_in: 3599, access_token: give('entra', 3599) });
    }
    if (url.pathname === '/oauth2/exchange') {
      calls.push('exchange');
      if (mood.redirectExchange !== undefined) return reply(307, {}, { location: mood.redirectExchange });
      assert.equal(form.get('grant_type'), 'access_token');
      assert.equal(form.get('service'), servers.acr);
      assert.equal(form.get('tenant'), secretsOf.acr.tenant);
      if (!holds(form.get('access_token') ?? undefined)) return reply(401, { errors: [{ code: 'UNAUTHORIZED' }] });
      const refresh = await new SignJWT({ jti: randomUUID() })
        .setProtectedHeader({ alg: 'HS256' })
        .setExpirationTime(Math.floor(now() / 1000) + 3 * 3600)
        .sign(signing);
      valid.set(refresh, now() + 3 * 3_600_000);
      return reply(200, { refresh_token: refresh });
    }
    if (url.pathname === '/oauth2/token' && request.method === 'POST') {
      calls.push('token');
      assert.equal(form.get('grant_type'), 'refresh_token');
      assert.match(form.get('scope') ?? '', /^repository:[^ ]+:pull/);
      if (!holds(form.get('refresh_token') ?? undefined)) return reply(401, { errors: [{ code: 'UNAUTHORIZED' }] });
      return reply(200, { access_token: give('access', mood.expiresIn ?? 4500), expires_in: mood.expiresIn ?? 4500 });
    }
    if (url.pathname === '/oauth2/token') return reply(401, { errors: [{ code: 'UNAUTHORIZED' }] });
    if (url.pathname === '/v1-token' && request.method === 'GET') {
      calls.push('token');
      const [name, password] = Buffer.from((request.headers.authorization ?? '').replace(/^Basic /, ''), 'base64')
        .toString('utf8')
        .split(/:(.*)/s);
      const known =
        (name === secretsOf.basic.username && password === secretsOf.basic.password) || (name === 'oauth2accesstoken' && holds(password));
      return known ? reply(200, { token: give('access', 300), expires_in: 300 }) : reply(401, { errors: [{ code: 'UNAUTHORIZED' }] });
    }
    if (url.pathname === '/google/token') {
      calls.push('google');
      assert.equal(form.get('grant_type'), 'urn:ietf:params:oauth:grant-type:jwt-bearer');
      const { payload, protectedHeader } = await jwtVerify(form.get('assertion') ?? '', await importSPKI(google.publicKey, 'RS256'), {
        audience: 'https://oauth2.googleapis.com/token',
        issuer: secretsOf.gar.client_email,
        currentDate: new Date(now()),
        algorithms: ['RS256'],
      });
      assert.equal(protectedHeader.kid, 'key-1');
      assert.equal(payload['scope'], 'https://www.googleapis.com/auth/cloud-platform');
      assert.ok((payload.exp ?? 0) - (payload.iat ?? 0) <= 3600);
      return reply(200, { access_token: give('ya29', 3599), expires_in: 3599, token_type: 'Bearer' });
    }
    const action = String(request.headers['x-amz-target'] ?? '');
    if (url.pathname === '/' && action !== '') {
      calls.push(`ecr ${action.replace('AmazonEC2ContainerRegistry_V20150921.', '')}`);
      const wrong = signatureProblem(request, body, new Date(now()));
      if (wrong !== undefined) return reply(400, { __type: 'com.amazon.coral.service#InvalidSignatureException', message: wrong });
      if (action.endsWith('.GetAuthorizationToken')) {
        const token = Buffer.from(`AWS:${give('aws', 12 * 3600)}`).toString('base64');
        const expiresAt = now() / 1000 + 12 * 3600;
        return reply(200, { authorizationData: [{ authorizationToken: token, expiresAt, proxyEndpoint: `https://${servers.ecr}` }] });
      }
      if (action.endsWith('.DescribeRepositories')) {
        const { nextToken } = JSON.parse(body.toString('utf8')) as { nextToken?: string };
        const names = [...repositories].sort();
        const at = Number(nextToken ?? 0);
        const repository = names[at];
        const listed =
          repository === undefined ? [] : [{ repositoryName: repository, imageTagMutability: mood.mutableTags ? 'MUTABLE' : 'IMMUTABLE' }];
        return reply(200, { repositories: listed, ...(at + 1 < names.length ? { nextToken: String(at + 1) } : {}) });
      }
      if (action.endsWith('.GetRepositoryPolicy')) {
        if (mood.policy === undefined) return reply(400, { __type: 'RepositoryPolicyNotFoundException' });
        return reply(200, { policyText: JSON.stringify(mood.policy) });
      }
      if (action.endsWith('.CreateRepository')) {
        const input = JSON.parse(body.toString('utf8')) as { repositoryName: string; imageTagMutability: string };
        assert.equal(input.imageTagMutability, 'IMMUTABLE');
        if (repositories.has(input.repositoryName)) return reply(400, { __type: 'RepositoryAlreadyExistsException' });
        repositories.add(input.repositoryName);
        return reply(200, { repository: { repositoryName: input.repositoryName } });
      }
    }
    reply(404, { error: 'not_found' });
  }

  /** Which registry is meant is told by how it is asked: each has its own first letter of repositories in these tests. */
  async function registryCall(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const refuse = (challenge: string) => {
      request.resume();
      response.writeHead(401, { 'www-authenticate': challenge, 'content-type': 'application/json' });
      response.end(JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'authentication required' }] }));
    };
    const { authorization = '' } = request.headers;
    if (mood.forgetTokens) {
      mood.forgetTokens = false;
      valid.clear();
    }
    const repository = url.pathname.slice('/v2/'.length);
    if (repository.startsWith('amazon/')) {
      const [name, password] = Buffer.from(authorization.replace(/^Basic /, ''), 'base64')
        .toString('utf8')
        .split(/:(.*)/s);
      if (name !== 'AWS' || !holds(password)) return refuse(`Basic realm="https://${servers.ecr}/",service="ecr.amazonaws.com"`);
      const named = /^(amazon\/.*?)\/(?:blobs|manifests|tags|referrers)\//.exec(repository)?.[1] ?? '';
      if (!repositories.has(named)) {
        request.resume();
        response.writeHead(404, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ errors: [{ code: 'NAME_UNKNOWN', message: 'no such repository' }] }));
        return;
      }
    } else if (!holds(authorization.replace(/^Bearer /, ''))) {
      const realm = mood.realm ?? (repository.startsWith('azure/') ? `http://${host}/oauth2/token` : `http://${host}/v1-token`);
      return refuse(`Bearer realm="${realm}",service="${repository.startsWith('azure/') ? servers.acr : 'registry'}"`);
    }
    delete request.headers.authorization;
    await behind.registry.handle(request, response);
  }

  const externals = openExternalRegistries({
    store,
    secrets,
    clock: { now: () => new Date(now()) },
    endpoints: { entra: () => `http://${host}`, ecr: () => `http://${host}`, google: `http://${host}/google/token` },
    address: (name) => (name.startsWith('127.0.0.1') ? { host: name, plainHttp: true } : { host, plainHttp: true }),
  });
  const owned = undo.move();
  return { externals, secrets, store, host, folder, calls, time, mood, repositories, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

export const sealed = (value: unknown): Secret => new Secret(JSON.stringify(value));

/** Signature Version 4, from its documentation (AWS "Create a signed AWS API request"), written once more so that nothing checks itself. */
function signatureProblem(request: IncomingMessage, body: Buffer, now: Date): string | undefined {
  const [, credential = '', names = '', given = ''] =
    /^AWS4-HMAC-SHA256 Credential=([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(request.headers.authorization ?? '') ??
    [];
  const [id, day = '', region, service, end] = credential.split('/');
  const stamp = String(request.headers['x-amz-date'] ?? '');
  const at = Date.parse(stamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  if (id !== secretsOf.ecr.accessKeyId || region !== 'eu-central-1' || service !== 'ecr' || end !== 'aws4_request') return 'scope';
  if (!stamp.startsWith(day) || !(Math.abs(at - now.getTime()) < 5 * 60_000)) return 'date';
  if (request.headers['x-amz-security-token'] !== secretsOf.ecr.sessionToken) return 'session token';
  const list = names.split(';');
  for (const needed of ['host', 'x-amz-date', 'x-amz-target', 'x-amz-security-token'])
    if (!list.includes(needed)) return `${needed} is not signed`;
  const headers = list
    .map(
      (name) =>
        `${name}:${String(request.headers[name] ?? '')
          .trim()
          .replaceAll(/ +/g, ' ')}\n`,
    )
    .join('');
  const sha = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');
  const mac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();
  const canonical = `${request.method ?? ''}\n/\n\n${headers}\n${names}\n${sha(body)}`;
  const text = `AWS4-HMAC-SHA256\n${stamp}\n${day}/${region}/${service}/aws4_request\n${sha(canonical)}`;
  const key = mac(mac(mac(mac(`AWS4${secretsOf.ecr.secretAccessKey}`, day), region), service), 'aws4_request');
  const expected = createHmac('sha256', key).update(text).digest();
  return timingSafeEqual(expected, Buffer.from(given, 'hex')) ? undefined : 'signature';
}
