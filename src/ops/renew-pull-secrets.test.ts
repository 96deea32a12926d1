import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Environment } from '../deploy/environment.ts';
import { deployMigrations } from '../deploy/migrations.ts';
import type { Target } from '../deploy/port.ts';
import { openPullSecretRecords } from '../deploy/pull-secret-records.ts';
import type { PullSecret } from '../deploy/pull-secret.ts';
import { WaybillError } from '../kernel/error.ts';
import { silentLogger } from '../kernel/logger.ts';
import type { NewEntry } from '../ledger/entry.ts';
import { sealed, secretsOf, servers, startVendors } from '../registry/external/vendors.fixture.ts';
import { startTestRegistry } from '../registry/registry.fixture.ts';
import { makePullSecret } from './make-pull-secret.ts';
import { mintPullSecret } from './pull-secrets.ts';
import { renewPullSecrets, type RenewalWorld } from './renew-pull-secrets.ts';

const minute = 60_000;
const day = 24 * 60 * minute;

/** A real registry, the exchanges of the vendors, and clusters that hold one Secret each. */
async function place() {
  await using stack = new AsyncDisposableStack();
  const own = stack.use(await startTestRegistry());
  const vendors = stack.use(await startVendors());
  await vendors.store.migrate(deployMigrations);
  const entries: NewEntry[] = [];
  const clusters = new Map<string, { secret?: PullSecret | undefined; away?: string | undefined; noNamespace?: boolean }>();
  const environments: Environment[] = [];
  const clock = { now: () => new Date(Date.now() + own.time.aheadMs) };
  const targetOf = (name: string): Target => {
    const cluster = clusters.get(name);
    assert.ok(cluster);
    return {
      preflight: async () => (cluster.away === undefined ? { ok: true, details: [] } : { ok: false, reason: cluster.away }),
      async renewPullSecret(make: () => Promise<PullSecret>) {
        if (cluster.noNamespace) throw new WaybillError('NOT_FOUND', `namespaces "${name}" not found`);
        cluster.secret = await make();
      },
      async hasPullSecret() {
        if (cluster.away !== undefined) throw new WaybillError('CLUSTER_FAILED', cluster.away);
        return cluster.secret !== undefined;
      },
      [Symbol.asyncDispose]: async () => undefined,
    } as unknown as Target;
  };
  const world = {
    environments: { list: async () => environments, get: async (name: string) => environments.find((each) => each.name === name) },
    externals: vendors.externals,
    registry: own.registry,
    pullSecrets: openPullSecretRecords(vendors.store, clock),
    ledger: { append: async (entry: NewEntry) => void entries.push(entry) },
    target: async ({ name }: Environment) => targetOf(name),
    clock,
    logger: silentLogger,
    pullSecretMs: 30 * day,
    registryName: own.host,
    lockEnvironment: async () => ({ [Symbol.dispose]() {} }),
  } as unknown as RenewalWorld;
  const owned = stack.move();
  return {
    own,
    vendors,
    world,
    entries,
    cluster(name: string) {
      const found = clusters.get(name);
      assert.ok(found);
      return found;
    },
    ahead(ms: number) {
      own.time.aheadMs = ms;
      vendors.time.aheadMs = ms;
    },
    /** As a release leaves it. */
    async released(name: string, repositories: string[], more: Partial<Environment> = {}) {
      const environment = {
        name,
        kind: 'cluster',
        namespace: name,
        pullSecretOn: 'pods',
        createdAt: '2026-11-01T00:00:00Z',
        ...more,
      } as const;
      environments.push(environment);
      const made = await makePullSecret(world, environment, repositories);
      clusters.set(name, { secret: made.secret });
      await world.pullSecrets.written(name, made);
      return made.secret;
    },
    async status(secret: PullSecret | undefined, repository: string) {
      const login = secret?.find((each) => each.registry === own.host);
      assert.ok(login);
      const authorization = `Basic ${Buffer.from(`${login.username}:${login.password.reveal()}`).toString('base64')}`;
      return (await fetch(`${own.url}/v2/${repository}/tags/list`, { headers: { authorization } })).status;
    },
    renew: (options?: { look: boolean }) => renewPullSecrets(world, AbortSignal.timeout(30_000), options),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

test('a pull secret is renewed before it expires, covers what it covered, and the one before goes on pulling', async () => {
  await using t = await place();
  const first = await t.released('prod', ['shop/web', 'shop/api']);
  assert.deepEqual(await t.renew(), [], 'it is new');
  t.ahead(21 * day);
  assert.deepEqual(await t.renew(), ['prod']);
  const second = t.cluster('prod').secret;
  for (const repository of ['shop/web', 'shop/api']) assert.equal(await t.status(second, repository), 404, 'allowed, and empty');
  assert.equal(await t.status(second, 'shop/other'), 403);
  assert.equal(await t.status(first, 'shop/web'), 404, 'the one before still pulls');
  assert.deepEqual(await t.renew(), [], 'once is enough');
  t.ahead(31 * day);
  assert.equal(await t.status(first, 'shop/web'), 401, 'until it expires');
  assert.equal(await t.status(second, 'shop/web'), 404);
});

test('a cluster that is away gets no keys, is told once, listed as failing, and gets its secret when it is back', async () => {
  await using t = await place();
  await t.released('away', ['shop/web']);
  await t.released('prod', ['shop/web']);
  const minted = t.own.grants.length;
  const cluster = t.cluster('away');
  t.ahead(21 * day);
  cluster.away = 'connect ECONNREFUSED';
  assert.deepEqual(await t.renew(), ['prod'], 'it keeps no other from its turn');
  await t.renew();
  assert.equal(t.own.grants.length, minted + 1, 'no key for the cluster that is away');
  const refusals = () => t.entries.filter((entry) => entry.kind === 'refusal');
  assert.equal(refusals().length, 1);
  assert.match(JSON.stringify(refusals()), /pull secret of away.*ECONNREFUSED/);
  const record = await t.world.pullSecrets.get('away');
  assert.equal(record?.why, 'connect ECONNREFUSED');
  assert.ok(record?.failingSince);

  cluster.away = undefined;
  cluster.noNamespace = true;
  await t.renew();
  assert.match((await t.world.pullSecrets.get('away'))?.why ?? '', /namespaces "away" not found/);
  assert.equal(t.own.grants.length, minted + 1, 'nor for a namespace that is gone');
  cluster.noNamespace = false;
  assert.deepEqual(await t.renew(), ['away']);
  assert.equal((await t.world.pullSecrets.get('away'))?.failingSince, undefined);
  assert.equal(await t.status(cluster.secret, 'shop/web'), 404);
});

test('a secret that somebody removed, with its namespace perhaps, is put back when it is looked for', async () => {
  await using t = await place();
  await t.released('prod', ['shop/web']);
  t.cluster('prod').secret = undefined;
  assert.deepEqual(await t.renew(), [], 'not looked for every time');
  assert.deepEqual(await t.renew({ look: true }), ['prod']);
  assert.equal(await t.status(t.cluster('prod').secret, 'shop/web'), 404);
  assert.deepEqual(await t.renew({ look: true }), []);
});

test('a cluster that was away until every key had expired gets one for what it pulled before', async () => {
  await using t = await place();
  await t.released('prod', ['shop/web']);
  t.cluster('prod').away = 'connect ECONNREFUSED';
  t.ahead(21 * day);
  await t.renew();
  t.ahead(40 * day);
  await t.renew();
  t.cluster('prod').away = undefined;
  assert.deepEqual(await t.renew(), ['prod']);
  assert.equal(await t.status(t.cluster('prod').secret, 'shop/web'), 404);
});

test('an exchanged login of Google, of an hour, is renewed in its last third, with the grant in the ledger first', async () => {
  await using t = await place();
  await t.vendors.externals.add(
    { name: 'company', server: servers.gar, kind: 'gar', prefix: 'shop/docker', uses: ['publish'], repositories: ['*'] },
    sealed(secretsOf.gar),
    sealed(secretsOf.gar),
  );
  const [first, ...others] = await t.released('prod', [], { registry: 'company' });
  assert.deepEqual(others, [], 'no key of our own registry where nothing comes from it');
  assert.equal(first?.registry, servers.gar);
  assert.equal(t.entries.filter((entry) => JSON.stringify(entry.body).includes('external-pull')).length, 1);
  assert.ok(!JSON.stringify(t.entries).includes(first.password.reveal()));
  t.ahead(30 * minute);
  assert.deepEqual(await t.renew(), []);
  t.ahead(41 * minute);
  assert.deepEqual(await t.renew(), ['prod']);
  const second = t.cluster('prod').secret?.[0];
  assert.notEqual(second?.password.reveal(), first.password.reveal(), 'exchanged anew, not taken from the cache');
  const until = Date.parse((await t.world.pullSecrets.get('prod'))?.expiresAt ?? '');
  assert.ok(until > Date.now() + 95 * minute, 'its whole life is before it');
});

test('a registry with other credentials brings its new login; one that is gone is told, and the secret stays', async () => {
  await using t = await place();
  const add = (password: string) =>
    t.vendors.externals.add(
      { name: 'company', server: 'company.example', kind: 'basic', uses: ['publish'], repositories: ['*'] },
      sealed({ username: 'pusher', password: 'p' }),
      sealed({ username: 'reader', password }),
    );
  await add('old');
  await t.released('prod', [], { registry: 'company' });
  t.ahead(1_000);
  await t.vendors.externals.remove('company');
  assert.deepEqual(await t.renew(), []);
  assert.match((await t.world.pullSecrets.get('prod'))?.why ?? '', /there is no such registry/);
  assert.equal(t.cluster('prod').secret?.[0]?.password.reveal(), 'old');
  await add('new');
  assert.deepEqual(await t.renew(), ['prod']);
  assert.equal(t.cluster('prod').secret?.[0]?.password.reveal(), 'new');
  t.ahead(2_000);
  await t.vendors.externals.renew('company', { pull: sealed({ username: 'reader', password: 'newest' }) });
  assert.deepEqual(await t.renew(), ['prod']);
  assert.equal(t.cluster('prod').secret?.[0]?.password.reveal(), 'newest');
});

test('an environment that moves to another registry goes on pulling what runs from the one before', async () => {
  await using t = await place();
  await t.vendors.externals.add(
    { name: 'company', server: 'company.example', kind: 'basic', uses: ['publish'], repositories: ['*'] },
    sealed({ username: 'pusher', password: 'p' }),
    sealed({ username: 'reader', password: 'r' }),
  );
  await t.released('prod', ['shop/web'], { registry: 'company' });
  const environment = { ...(await t.world.environments.get('prod')), registry: undefined } as unknown as Environment;
  const { secret } = await makePullSecret(t.world, environment, ['shop/web']);
  assert.deepEqual(
    secret.map((login) => login.registry),
    ['company.example', t.own.host],
  );
});

test('a key that an administrator takes for an environment widens nothing, and does not put off a renewal', async () => {
  await using t = await place();
  await t.released('prod', ['shop/web']);
  t.ahead(10 * day);
  const by = { id: 'admin' } as never;
  const world = { ...t.world, pullSecretMs: 30 * day };
  const { credential } = await mintPullSecret(world, by, 'prod', { repositories: ['shop/batch'] });
  assert.equal(await t.status([{ registry: t.own.host, ...credential }], 'shop/batch'), 404);
  assert.equal(await t.status([{ registry: t.own.host, ...credential }], 'shop/web'), 403);
  t.ahead(21 * day);
  assert.deepEqual(await t.renew(), ['prod']);
  assert.equal(await t.status(t.cluster('prod').secret, 'shop/batch'), 403);
  await assert.rejects(mintPullSecret(world, by, 'gone', { repositories: [] }), { code: 'NOT_FOUND' });
  assert.equal(t.entries.filter((entry) => JSON.stringify(entry.body).includes('pull-secret-create')).length, 1);
});
