import { strict as assert } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { digestOf } from '../../kernel/digest.ts';
import { externalReference, externalRepository, wireRepository } from './naming.ts';
import type { NewExternalRegistry } from './record.ts';
import { sealed, secretsOf, servers, startVendors, type Vendors } from './vendors.fixture.ts';

const content = Buffer.from('a layer');
const blob = { digest: digestOf(content), size: content.length };
const record = (kind: 'acr' | 'ecr' | 'gar', more: Partial<NewExternalRegistry> = {}): NewExternalRegistry => ({
  name: kind,
  server: servers[kind],
  kind,
  uses: ['publish'],
  repositories: ['*'],
  ...more,
});

async function pushAndRead(vendors: Vendors, name: string, repository: string): Promise<void> {
  using client = await vendors.externals.connect(name, {});
  await client.putBlob(repository, { bytes: content }, blob);
  assert.equal(await client.hasBlob(repository, blob.digest), true);
}

test('Azure: a service principal becomes a refresh token, and that a token for each scope', async () => {
  await using vendors = await startVendors();
  await vendors.externals.add(record('acr'), sealed(secretsOf.acr), sealed(secretsOf.acr));
  await pushAndRead(vendors, 'acr', 'azure/shop/shop');
  assert.deepEqual(vendors.calls, ['entra', 'exchange', 'token']);
  const pull = await vendors.externals.pullCredential('acr');
  assert.equal(pull.server, servers.acr);
  assert.equal(pull.username, '00000000-0000-0000-0000-000000000000');
  assert.ok(Date.parse(pull.expiresAt ?? '') > Date.now() + 2.5 * 3_600_000);
});

test('other credentials are used at once, a mistake in them changes nothing, and what is left out stays', async () => {
  await using vendors = await startVendors();
  const { externals } = vendors;
  const added = await externals.add(record('acr'), sealed(secretsOf.acr), sealed(secretsOf.acr));
  assert.equal(added.credentialsAt, added.createdAt);
  await externals.pullCredential('acr');
  await assert.rejects(externals.renew('acr', { pull: sealed({ tenant: 1 }) }), { code: 'INVALID_INPUT' });
  await externals.pullCredential('acr');
  vendors.time.aheadMs = 1_000;
  const renewed = await externals.renew('acr', { pull: sealed({ ...secretsOf.acr, clientSecret: 'another' }) });
  assert.ok(renewed.credentialsAt > added.credentialsAt);
  await assert.rejects(externals.pullCredential('acr'), { code: 'UNAUTHENTICATED' });
  await externals.login('acr');
  await assert.rejects(externals.renew('none', {}), { code: 'NOT_FOUND' });
});

test('Amazon: a signed request becomes a password; the repository is made first', async () => {
  await using vendors = await startVendors();
  await vendors.externals.add(record('ecr', { createRepositories: true }), sealed(secretsOf.ecr));
  await assert.rejects(pushAndRead(vendors, 'ecr', 'amazon/shop/shop'), { code: 'NOT_FOUND', message: /NAME_UNKNOWN/ });
  await vendors.externals.prepareRepository('ecr', 'amazon/shop/shop');
  await vendors.externals.prepareRepository('ecr', 'amazon/shop/shop');
  await pushAndRead(vendors, 'ecr', 'amazon/shop/shop');
  assert.deepEqual(vendors.calls, ['ecr GetAuthorizationToken', 'ecr CreateRepository', 'ecr CreateRepository']);
  assert.deepEqual([...vendors.repositories], ['amazon/shop/shop']);
});

test('Amazon: a wrong key is refused by its signature', async () => {
  await using vendors = await startVendors();
  await vendors.externals.add(record('ecr'), sealed({ ...secretsOf.ecr, secretAccessKey: 'another' }));
  await assert.rejects(vendors.externals.login('ecr'), { code: 'UNAUTHENTICATED', message: /InvalidSignatureException/ });
});

test('Google: a JWT signed by the key of a service account becomes an access token, wherever its token_uri points', async () => {
  await using vendors = await startVendors();
  await vendors.externals.add(record('gar'), sealed(secretsOf.gar));
  await pushAndRead(vendors, 'gar', 'shop/docker/shop');
  assert.deepEqual(vendors.calls, ['google', 'token']);
});

test('a name and a password go to the token service of the registry, and nowhere else', async () => {
  await using vendors = await startVendors();
  const asked: string[] = [];
  await using thief = await listen((header) => asked.push(header));
  const basic: NewExternalRegistry = { name: 'harbor', server: vendors.host, kind: 'basic', uses: ['publish'] };
  await vendors.externals.add(basic, sealed(secretsOf.basic));
  await pushAndRead(vendors, 'harbor', 'shop/shop');
  vendors.mood.realm = `http://${thief.host}/token`;
  await assert.rejects(pushAndRead(vendors, 'harbor', 'shop/other'), { code: 'REGISTRY_FAILED', message: /wants its credential sent to/ });
  assert.equal(asked.length, 0);
  // Named by an administrator, it is the token service.
  await vendors.externals.add({ ...basic, name: 'gitlab', tokenHost: thief.host }, sealed(secretsOf.basic));
  await assert.rejects(pushAndRead(vendors, 'gitlab', 'shop/other'), { code: 'UNAUTHENTICATED' });
  assert.deepEqual(new Set(asked.map((header) => header.split(' ')[0])), new Set(['Basic']));
});

test('an exchange that is redirected elsewhere sends nothing there', async () => {
  await using vendors = await startVendors();
  const asked: string[] = [];
  await using thief = await listen((header) => asked.push(header));
  vendors.mood.redirectExchange = `http://${thief.host}/`;
  await vendors.externals.add(record('acr'), sealed(secretsOf.acr));
  await assert.rejects(vendors.externals.login('acr'), { code: 'REGISTRY_FAILED', message: /status 307/ });
  assert.deepEqual(asked, []);
});

test('a token is used until shortly before its end; all who need one at once share an exchange', async () => {
  await using vendors = await startVendors();
  await vendors.externals.add(record('gar'), sealed(secretsOf.gar), sealed(secretsOf.gar));
  const many = await Promise.all(Array.from({ length: 20 }, () => vendors.externals.pullCredential('gar')));
  assert.equal(new Set(many.map(({ password }) => password.reveal())).size, 1);
  assert.deepEqual(vendors.calls, ['google']);
  vendors.time.aheadMs = 45 * 60_000;
  await vendors.externals.pullCredential('gar');
  assert.deepEqual(vendors.calls, ['google']);
  vendors.time.aheadMs = 51 * 60_000;
  await vendors.externals.pullCredential('gar');
  assert.deepEqual(vendors.calls, ['google', 'google']);
});

test('a token that was taken back before its time is asked for once more, and not for ever', async () => {
  await using vendors = await startVendors();
  await vendors.externals.add(record('acr'), sealed(secretsOf.acr));
  await pushAndRead(vendors, 'acr', 'azure/shop/shop');
  vendors.mood.forgetTokens = true;
  await pushAndRead(vendors, 'acr', 'azure/shop/shop');
  assert.equal(vendors.calls.filter((call) => call === 'exchange').length, 2);
  vendors.mood.entraStatus = 401;
  vendors.mood.forgetTokens = true;
  const before = vendors.calls.length;
  await assert.rejects(pushAndRead(vendors, 'acr', 'azure/shop/shop'), {
    code: 'UNAUTHENTICATED',
    message: /Entra ID gave no token: status 401/,
  });
  assert.ok(vendors.calls.length - before <= 3);
  // A failed exchange is not kept.
  delete vendors.mood.entraStatus;
  await pushAndRead(vendors, 'acr', 'azure/shop/shop');
});

test('no secret is in an error, in what is printed, or in the database', async () => {
  await using vendors = await startVendors();
  const wrong = { ...secretsOf.acr, clientSecret: 'very~wrong~secret' };
  await vendors.externals.add(record('acr'), sealed(wrong), sealed(secretsOf.acr));
  const error = await vendors.externals.login('acr').then(
    () => assert.fail('it logged in'),
    (thrown: unknown) => thrown,
  );
  const printed = [
    inspect(error, { depth: 10 }),
    inspect(await vendors.externals.list(), { depth: 10 }),
    inspect(await vendors.externals.pullCredential('acr'), { depth: 10 }),
  ];
  const files = await Promise.all(
    ['waybill.db', 'waybill.db-wal'].map((file) => readFile(path.join(vendors.folder, file), 'latin1').catch(() => '')),
  );
  for (const text of [...printed, ...files])
    for (const secret of [wrong.clientSecret, secretsOf.acr.clientSecret]) assert.ok(!text.includes(secret), text.slice(0, 500));
  assert.match(String(error), /invalid_client/);
});

test('what a cluster pulls with is never what pushes', async () => {
  await using vendors = await startVendors();
  await vendors.externals.add(record('gar'), sealed(secretsOf.gar));
  await assert.rejects(vendors.externals.pullCredential('gar'), { code: 'NOT_FOUND', message: /goes to no cluster/ });
  await assert.rejects(vendors.externals.connect('gar', { as: 'pull' }), { code: 'NOT_FOUND' });
});

test('connect takes a name or a host, and is anonymous where nobody was added', async () => {
  await using vendors = await startVendors();
  await vendors.externals.add(record('acr'), sealed(secretsOf.acr));
  using byHost = await vendors.externals.connect(servers.acr.toUpperCase(), { use: 'publish' });
  assert.equal(await byHost.hasBlob('azure/shop/shop', blob.digest), false);
  using notForThis = await vendors.externals.connect(servers.acr, { use: 'import' });
  await assert.rejects(notForThis.hasBlob('azure/shop/shop', blob.digest), { code: 'UNAUTHENTICATED' });
});

test('a check tries pull and push and leaves nothing', async () => {
  await using vendors = await startVendors();
  await vendors.externals.add(record('acr'), sealed(secretsOf.acr));
  using client = await vendors.externals.connect('acr', {});
  const found = await client.probe('azure/waybill-check');
  assert.deepEqual(found, { pull: 'missing', push: 'allowed', referrers: true });
  await vendors.externals.add(record('ecr'), sealed(secretsOf.ecr));
  using amazon = await vendors.externals.connect('ecr', {});
  assert.equal((await amazon.probe('amazon/waybill-check')).push, 'missing');
});

test('a record that cannot be is refused with the field that is wrong', async () => {
  await using vendors = await startVendors();
  const refused: [NewExternalRegistry, unknown, RegExp][] = [
    [{ ...record('acr'), server: 'evil.example' }, secretsOf.acr, /server: must be NAME\.azurecr\.io/],
    [{ ...record('acr'), server: 'contoso.azurecr.io.evil.example' }, secretsOf.acr, /server: must be/],
    [{ ...record('acr'), server: 'contoso.azurecr.io:444' }, secretsOf.acr, /server: must be/],
    [{ ...record('ecr'), server: '123456789012.dkr.ecr.evil.example/.amazonaws.com' }, secretsOf.ecr, /server: /],
    [{ ...record('gar'), server: 'pkg.dev.evil.example' }, secretsOf.gar, /server: must be/],
    [{ ...record('gar'), tokenHost: 'evil.example' }, secretsOf.gar, /tokenHost: is for kind basic/],
    [{ ...record('acr'), server: 'https://contoso.azurecr.io' }, secretsOf.acr, /without a scheme/],
    [{ ...record('acr'), prefix: '../x' }, secretsOf.acr, /prefix/],
    [{ ...record('acr'), name: 'A B' }, secretsOf.acr, /name: must be lower-case/],
    [{ ...record('acr'), createRepositories: true }, secretsOf.acr, /is for kind ecr/],
    [record('acr'), { ...secretsOf.acr, tenant: '../../evil' }, /tenant is missing or wrong/],
    [record('acr'), secretsOf.ecr, /the credential is none for kind acr/],
    [{ name: 'x', server: 'r.example', kind: 'basic' }, { username: 'a:b', password: 'x' }, /username is missing or wrong/],
  ];
  for (const [input, credential, message] of refused)
    await assert.rejects(
      vendors.externals.add(input, sealed(credential)),
      (error: Error & { code?: string }) => error.code === 'INVALID_INPUT' && message.test(error.message),
    );
  assert.deepEqual(await vendors.externals.list(), []);
  assert.deepEqual(await vendors.secrets.list(), []);
});

test('a registry that is removed leaves no credential; its name can be taken once', async () => {
  await using vendors = await startVendors();
  await vendors.externals.add(record('acr'), sealed(secretsOf.acr), sealed(secretsOf.acr));
  await assert.rejects(vendors.externals.add(record('acr'), sealed(secretsOf.acr)), { code: 'CONFLICT' });
  assert.deepEqual(await vendors.secrets.list(), ['registry/acr/pull', 'registry/acr/push']);
  assert.equal(await vendors.externals.remove('acr'), true);
  assert.equal(await vendors.externals.remove('acr'), false);
  assert.deepEqual(await vendors.secrets.list(), []);
});

test('names: by path, flat, at Docker Hub', () => {
  const digest = digestOf('x');
  const hub = { server: 'docker.io', prefix: 'acme', naming: 'flat' } as const;
  assert.equal(externalReference(hub, 'shop', 'web', digest), `docker.io/acme/shop-web@${digest}`);
  assert.equal(externalRepository({ naming: 'path', prefix: 'team/x' }, 'shop', 'web'), 'team/x/shop/web');
  assert.equal(externalRepository({ naming: 'path' }, 'shop', 'web'), 'shop/web');
  assert.equal(wireRepository('docker.io', 'busybox'), 'library/busybox');
  assert.equal(wireRepository('docker.io', 'acme/x'), 'acme/x');
  assert.equal(wireRepository('ghcr.io', 'busybox'), 'busybox');
});

/** A server that is given something it must not get. */
async function listen(onAuthorization: (header: string) => void): Promise<AsyncDisposable & { host: string }> {
  const server = createServer((request, response) => {
    onAuthorization(request.headers.authorization ?? '(none)');
    response.writeHead(401).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    host: `127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
