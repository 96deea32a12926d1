import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { execa } from 'execa';
import { openClusterTarget } from '../src/deploy/cluster/target.ts';
import type { Environment } from '../src/deploy/environment.ts';
import { deployMigrations } from '../src/deploy/migrations.ts';
import { openPullSecretRecords } from '../src/deploy/pull-secret-records.ts';
import { silentLogger } from '../src/kernel/logger.ts';
import { parseDigest } from '../src/kernel/digest.ts';
import { connectCluster, type Cluster } from '../src/kube/cluster.ts';
import { objectsAt, textAt } from '../src/kube/object.ts';
import { renewNow, renewPullSecrets, type RenewalWorld } from '../src/ops/renew-pull-secrets.ts';
import { startTestRegistry, type TestRegistry } from '../src/registry/registry.fixture.ts';
import { openStore } from '../src/store/store.ts';
import { useCluster, useNamespace } from './cluster.ts';
import { busyboxImage } from './kit/busybox-image.ts';
import { lacks, skip } from './kit/needs.ts';

/** Long enough for a renewal on a busy machine in its last third, short enough that many pass by. */
const lifeMs = 7_500;
const generations = 3;

async function pushImage(t: TestContext, registry: TestRegistry): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-rotation-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const archive = await busyboxImage(t, `localhost/waybill-rotation-${process.pid}:1`);
  using push = await registry.registry.mintPush({ repository: 'shop/web', run: 1, ttlMs: 60_000 });
  const digestFile = path.join(folder, 'digest');
  const to = ['--dest-tls-verify=false', '--dest-registry-token', push.token.reveal(), '--digestfile', digestFile];
  await execa('skopeo', ['copy', '--quiet', ...to, `docker-archive:${archive}`, `docker://${registry.host}/shop/web:1`], {
    timeout: 60_000,
  });
  return `${registry.host}/shop/web@${parseDigest((await readFile(digestFile, 'utf8')).trim())}`;
}

/** A pod that is made, pulls, runs to its end, and goes. Gives every reason for which it had to wait. */
async function pullOnce(cluster: Cluster, namespace: string, name: string, image: string): Promise<string[]> {
  const spec = {
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: 0,
    imagePullSecrets: [{ name: 'waybill-pull' }],
    containers: [{ name: 'main', image, imagePullPolicy: 'Always', command: ['/bin/echo', 'pulled'] }],
  };
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec };
  await cluster.create(pod, namespace);
  const reasons = new Set<string>();
  for (let tries = 0; tries < 300; tries++) {
    const live = await cluster.get({ apiVersion: 'v1', kind: 'Pod', name, namespace });
    const [status] = objectsAt(live, 'status', 'containerStatuses');
    const reason = textAt(status, 'state', 'waiting', 'reason');
    if (reason !== undefined) reasons.add(`${reason}: ${textAt(status, 'state', 'waiting', 'message') ?? ''}`);
    if (textAt(live, 'status', 'phase') === 'Succeeded') {
      await cluster.delete({ apiVersion: 'v1', kind: 'Pod', name, namespace });
      return [...reasons].filter((each) => !each.startsWith('ContainerCreating'));
    }
    if ([...reasons].some((each) => each.startsWith('ErrImagePull'))) return [...reasons];
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return [...reasons, 'it did not end'];
}

test(
  'pods that pull all the time never fail, while one generation of the pull secret follows the other',
  { timeout: 180_000 },
  async (t) => {
    if (await lacks(t, 'skopeo', 'podman')) return;
    const place = await useCluster(t);
    if (!place?.node) return place && skip(t, 'no node that pulls');
    const { cluster } = place;
    const namespace = await useNamespace(t, cluster);
    await using registry = await startTestRegistry();
    const image = await pushImage(t, registry);
    await using stack = new AsyncDisposableStack();
    const folder = await mkdtemp(path.join(tmpdir(), 'waybill-rotation-'));
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    const store = stack.use(openStore(path.join(folder, 'db')));
    await store.migrate(deployMigrations);
    const clock = { now: () => new Date() };
    const environment: Environment = {
      name: 'prod',
      kind: 'cluster',
      namespace,
      pullSecretOn: 'pods',
      createdAt: clock.now().toISOString(),
    };
    const world = {
      environments: { list: async () => [environment] },
      registry: registry.registry,
      pullSecrets: openPullSecretRecords(store, clock),
      ledger: { append: async () => undefined },
      target: async () => openClusterTarget(await connectCluster({ kubeconfig: place.kubeconfig }), namespace),
      clock,
      logger: silentLogger,
      pullSecretMs: lifeMs,
      registryName: registry.host,
      lockEnvironment: async () => ({ [Symbol.dispose]() {} }),
    } as unknown as RenewalWorld;

    // As a first release leaves it.
    await registry.registry.mintPull({ environment: 'prod', repositories: ['shop/web'], ttlMs: 1_000 });
    await using target = await world.target(environment);
    await renewNow(world, environment, target, t.signal);
    const granted = () => registry.grants.filter((grant) => grant.kind === 'pull').length;
    const first = granted();

    const pulls: string[][] = [];
    const until = () => granted() < first + generations;
    const renewing = (async () => {
      while (until()) {
        await renewPullSecrets(world, t.signal);
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
    })();
    const pulling = [0, 1].map(async (one) => {
      for (let number = 0; until(); number++) pulls.push(await pullOnce(cluster, namespace, `pull-${one}-${number}`, image));
    });
    await Promise.all([renewing, ...pulling]);
    t.diagnostic(`${pulls.length} pods pulled while ${granted() - first} generations passed by`);
    assert.ok(pulls.length >= generations, 'pods pulled all the time');
    assert.deepEqual(
      pulls.flat().filter((reason) => /ImagePull|did not end/.test(reason)),
      [],
    );
    assert.equal((await world.pullSecrets.get('prod'))?.failingSince, undefined);
    assert.deepEqual(
      registry.refusals.filter((refusal) => /shop\/web/.test(refusal.repository)),
      [],
    );

    await t.test('without a renewal they would fail: the key really expires', async () => {
      await new Promise((resolve) => setTimeout(resolve, lifeMs));
      assert.match((await pullOnce(cluster, namespace, 'late', image)).join('\n'), /ErrImagePull/);
    });
    await t.test('a namespace that was made anew gets its secret, and its pods pull', async () => {
      await cluster.delete({ apiVersion: 'v1', kind: 'Namespace', name: namespace });
      while (await cluster.get({ apiVersion: 'v1', kind: 'Namespace', name: namespace }))
        await new Promise((resolve) => setTimeout(resolve, 200));
      const before = granted();
      assert.deepEqual(await renewPullSecrets(world, t.signal, { look: true }), []);
      assert.equal(granted(), before, 'no key for a namespace that is not there');
      assert.match((await world.pullSecrets.get('prod'))?.why ?? '', /not found/);
      await cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }, undefined);
      const account = { apiVersion: 'v1', kind: 'ServiceAccount', name: 'default', namespace };
      while (!(await cluster.get(account))) await new Promise((resolve) => setTimeout(resolve, 200));
      assert.deepEqual(await renewPullSecrets(world, t.signal), ['prod']);
      assert.deepEqual(await pullOnce(cluster, namespace, 'anew', image), []);
    });
  },
);
