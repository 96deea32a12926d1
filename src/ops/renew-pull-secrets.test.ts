import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Environment } from '../deploy/environment.ts';
import type { Target } from '../deploy/port.ts';
import type { PullCredential } from '../deploy/pull-secret.ts';
import { silentLogger } from '../kernel/logger.ts';
import { startTestRegistry } from '../registry/registry.fixture.ts';
import { renewPullSecrets } from './renew-pull-secrets.ts';

const day = 24 * 3_600_000;
const signal = AbortSignal.timeout(30_000);
const places: Environment[] = ['away', 'prod', 'unused'].map((name) => ({
  name,
  kind: 'cluster',
  namespace: name,
  createdAt: '2026-11-01T00:00:00Z',
}));

test('a pull secret is renewed before it expires, covers what it covered, and the one before goes on pulling', async () => {
  await using t = await startTestRegistry();
  const given: PullCredential[] = [];
  const target = (away: boolean) =>
    ({
      preflight: async () => (away ? { ok: false, reason: 'the cluster is away' } : { ok: true, details: [] }),
      renewPullSecret: async (credential: PullCredential) => void given.push(credential),
      [Symbol.asyncDispose]: async () => undefined,
    }) as unknown as Target;
  const world = {
    environments: { list: async () => places } as never,
    registry: t.registry,
    target: async (environment: Environment) => target(environment.name === 'away'),
    clock: { now: () => new Date(Date.now() + t.time.aheadMs) },
    logger: silentLogger,
    pullSecretMs: 30 * day,
    registryName: t.host,
    lockEnvironment: async () => ({ [Symbol.dispose]() {} }),
  };
  const pulls = async ({ username, password }: { username: string; password: PullCredential['password'] }, repository: string) => {
    const authorization = `Basic ${Buffer.from(`${username}:${password.reveal()}`).toString('base64')}`;
    return (await fetch(`${t.url}/v2/${repository}/tags/list`, { headers: { authorization } })).status;
  };
  const first = await t.registry.mintPull({ environment: 'prod', repositories: ['shop/web'], ttlMs: 30 * day });
  await t.registry.mintPull({ environment: 'prod', repositories: ['shop/api'], ttlMs: 30 * day });
  await t.registry.mintPull({ environment: 'away', repositories: ['shop/web'], ttlMs: 30 * day });
  const minted = t.grants.length;

  assert.deepEqual(await renewPullSecrets(world, signal), [], 'they are new');
  t.time.aheadMs = 21 * day;
  assert.deepEqual(await renewPullSecrets(world, signal), ['prod']);
  assert.equal(t.grants.length, minted + 1, 'no key for the cluster that is away');
  const [renewed] = given;
  assert.ok(renewed);
  for (const repository of ['shop/web', 'shop/api']) assert.equal(await pulls(renewed, repository), 404, 'allowed, and empty');
  assert.equal(await pulls(renewed, 'shop/other'), 403);
  assert.equal(await pulls(first, 'shop/web'), 404, 'the one before still pulls');
  assert.deepEqual(await renewPullSecrets(world, signal), [], 'once is enough');
  t.time.aheadMs = 31 * day;
  assert.equal(await pulls(first, 'shop/web'), 401, 'until it expires');
  assert.equal(await pulls(renewed, 'shop/web'), 404);
});
