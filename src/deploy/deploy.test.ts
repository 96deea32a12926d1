import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { digestOf } from '../kernel/digest.ts';
import { isWaybillError } from '../kernel/error.ts';
import { parseGitOid } from '../kernel/git-oid.ts';
import type { RunId } from '../kernel/ids.ts';
import { Secret } from '../kernel/secret.ts';
import { createMasterKey } from '../secrets/master-key.ts';
import { secretsMigrations } from '../secrets/migrations.ts';
import { openSecrets } from '../secrets/secrets.ts';
import { openStore } from '../store/store.ts';
import { openEnvironments } from './environment.ts';
import { requireForward } from './forward-only.ts';
import { deployMigrations } from './migrations.ts';
import { pullSecretObject } from './pull-secret.ts';
import { openReleases } from './releases.ts';

async function scratch() {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-deploy-'));
  const store = openStore(join(folder, 'db'));
  await store.migrate([...deployMigrations, ...secretsMigrations]);
  await createMasterKey(join(folder, 'key'));
  const secrets = await openSecrets(store, join(folder, 'key'));
  let time = 0;
  const clock = { now: () => new Date(Date.UTC(2026, 0, 1, 0, 0, time++)) };
  return {
    store,
    secrets,
    environments: openEnvironments(store, secrets, clock),
    releases: openReleases(store, clock),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

test('an environment keeps its key sealed, and takes it along when it goes', async () => {
  await using place = await scratch();
  const { environments, secrets } = place;
  const policy = { require: ['review'] };
  await environments.add({ name: 'staging', kind: 'cluster', namespace: 'shop-staging', kubeconfig: new Secret('hunter2'), policy });
  await environments.add({ name: 'local', kind: 'local' });
  assert.deepEqual(await environments.list(), [
    { name: 'local', kind: 'local', namespace: 'local', pullSecretOn: 'pods', createdAt: '2026-01-01T00:00:01.000Z' },
    {
      name: 'staging',
      kind: 'cluster',
      namespace: 'shop-staging',
      policy,
      pullSecretOn: 'pods',
      createdAt: '2026-01-01T00:00:00.000Z',
    },
  ]);
  assert.equal((await environments.kubeconfig('staging')).reveal(), 'hunter2');
  await assert.rejects(environments.kubeconfig('local'), (error) => isWaybillError(error, 'NOT_FOUND'));
  await assert.rejects(environments.add({ name: 'staging', kind: 'cluster', kubeconfig: new Secret('stolen') }), (error) =>
    isWaybillError(error, 'CONFLICT'),
  );
  assert.equal((await environments.kubeconfig('staging')).reveal(), 'hunter2');
  for (const bad of [
    { name: 'A' },
    { name: '../x' },
    { name: 'x', namespace: 'kube-system' },
    { name: 'x', namespace: 'a b' },
    { name: 'a_b' },
  ])
    await assert.rejects(
      environments.add({ kind: 'local', ...bad }),
      (error) => isWaybillError(error, 'INVALID_INPUT'),
      JSON.stringify(bad),
    );
  assert.equal(await environments.remove('staging'), true);
  assert.equal(await environments.remove('staging'), false);
  assert.deepEqual(await secrets.list(), []);
});

const commit = parseGitOid('1234567890123456789012345678901234567890');
const release = (environment: string, run: number) => ({
  environment,
  repository: 'shop',
  run: run as RunId,
  commit,
  digests: { shop: digestOf(`${run}`) },
  manifestDigest: digestOf('m'),
  rollback: false,
});

test('releases: one history for each environment; the newest ready one is current; each ends once', async () => {
  await using place = await scratch();
  const { releases } = place;
  const first = await releases.start(release('staging', 1));
  await releases.finish(first.id, { status: 'ready' });
  const second = await releases.start(release('staging', 2));
  await releases.start(release('production', 1));
  assert.equal((await releases.finish(second.id, { status: 'failed', why: 'it crashed' })).why, 'it crashed');
  assert.equal((await releases.current('staging', 'shop'))?.run, 1);
  assert.equal(await releases.current('production', 'shop'), undefined);
  assert.deepEqual(
    (await releases.list({ environment: 'staging' })).map((entry) => [entry.id, entry.status]),
    [
      [2, 'failed'],
      [1, 'ready'],
    ],
  );
  await assert.rejects(releases.finish(second.id, { status: 'ready' }), (error) => isWaybillError(error, 'CONFLICT'));
  await assert.rejects(releases.finish(99, { status: 'ready' }), (error) => isWaybillError(error, 'NOT_FOUND'));
  assert.deepEqual(await releases.abandon('the server was restarted'), [3]);
  assert.deepEqual((await releases.get(3))?.why, 'the server was restarted');
  const many = await Promise.all(Array.from({ length: 20 }, (_, i) => releases.start(release('load', i))));
  assert.equal(new Set(many.map((entry) => entry.id)).size, 20);
});

test('a deploy moves forward only, except in a rollback', async () => {
  const oid = (digit: string) => parseGitOid(digit.repeat(40));
  const history = ['1', '2', '3'].map(oid);
  const isAncestor = (a: string, b: string) => {
    const [from, to] = [a, b].map((entry) => history.findIndex((known) => known === entry));
    return from !== undefined && to !== undefined && from >= 0 && to >= from;
  };
  await requireForward(undefined, oid('1'), isAncestor, false);
  await requireForward(oid('1'), oid('3'), isAncestor, false);
  await requireForward(oid('2'), oid('2'), () => false, false);
  await requireForward(oid('3'), oid('1'), isAncestor, true);
  await assert.rejects(
    requireForward(oid('3'), oid('1'), isAncestor, false),
    (error) => isWaybillError(error, 'NOT_FORWARD') && /is older than/.test(error.detail),
  );
  await assert.rejects(
    requireForward(oid('3'), oid('9'), isAncestor, false),
    (error) => isWaybillError(error, 'NOT_FORWARD') && /does not descend/.test(error.detail),
  );
});

test('how an environment is pulled can be changed, and is what it was where nothing is said', async () => {
  await using place = await scratch();
  const { environments } = place;
  await environments.add({ name: 'prod', kind: 'local', registry: 'company', pullSecretOn: 'service-accounts' });
  const wiring = async () => {
    const { registry, pullSecretOn } = (await environments.get('prod')) ?? {};
    return [registry, pullSecretOn];
  };
  assert.deepEqual(await wiring(), ['company', 'service-accounts']);
  await environments.change('prod', { registry: null });
  assert.deepEqual(await wiring(), [undefined, 'service-accounts']);
  await environments.change('prod', { pullSecretOn: 'pods', registry: 'other' });
  assert.deepEqual(await wiring(), ['other', 'pods']);
  await environments.change('prod', {});
  assert.deepEqual(await wiring(), ['other', 'pods']);
  await assert.rejects(environments.change('none', { registry: 'x' }), (error) => isWaybillError(error, 'NOT_FOUND'));
});

test('the pull secret is what kubelet reads', () => {
  const object = pullSecretObject([{ registry: 'registry.test:5000', username: 'puller', password: new Secret('p:w') }], 'shop');
  const data = object['data'] as Record<string, string>;
  assert.deepEqual(JSON.parse(Buffer.from(data['.dockerconfigjson'] ?? '', 'base64').toString()), {
    auths: { 'registry.test:5000': { username: 'puller', password: 'p:w', auth: Buffer.from('puller:p:w').toString('base64') } },
  });
});
