import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { parse } from 'yaml';
import { useCluster, useNamespace, type TestCluster } from '../../../test/cluster.ts';
import { busyboxImage } from '../../../test/kit/busybox-image.ts';
import { skip } from '../../../test/kit/needs.ts';
import { parseGitOid } from '../../kernel/git-oid.ts';
import { Secret } from '../../kernel/secret.ts';
import { connectCluster, type Cluster } from '../../kube/cluster.ts';
import { objectsAt, textAt, textsAt, type KubeObject } from '../../kube/object.ts';
import type { PullSecretOn } from '../environment.ts';
import { loadManifests } from '../manifests/load.ts';
import { stamp } from '../manifests/stamp.ts';
import { wirePullSecret } from '../manifests/wire-pull-secret.ts';
import type { Target } from '../port.ts';
import { pullSecretName } from '../pull-secret.ts';
import { unwireAccounts, wireAccount, wiredAnnotation } from './service-accounts.ts';
import { openClusterTarget } from './target.ts';

const image = `localhost/waybill-accounts-${process.pid}:1`;
const commit = parseGitOid('1234567890123456789012345678901234567890');
const secret = [{ registry: '127.0.0.1:1', username: 'puller', password: new Secret('hunter2') }];
const by = { fieldManager: 'somebody-else', force: true };

const deployment = (name: string, more: string) => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name} }
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      terminationGracePeriodSeconds: 0
      ${more}
      containers: [{ name: main, image: "${image}", imagePullPolicy: IfNotPresent, command: [/bin/sleep, "600"] }]
`;
const account = (name: string, declared: string) => `
apiVersion: v1
kind: ServiceAccount
metadata: { name: ${name} }
${declared}
`;

function render(yaml: string, namespace: string, run: number, on: PullSecretOn, repository = 'shop'): KubeObject[] {
  return stamp(wirePullSecret(loadManifests(new Map([['all.yaml', yaml]])), pullSecretName, on), {
    run,
    commit,
    repository,
    environment: { name: 'staging', namespace },
  }).map((entry) => entry.object);
}

async function release(target: Target, objects: readonly KubeObject[]): Promise<string[]> {
  const lines: string[] = [];
  const onProgress = (line: string) => void lines.push(line);
  const readiness = await target.waitReady(await target.apply(objects, { pullSecret: secret, onProgress }), {
    timeoutMs: 60_000,
    onProgress,
  });
  assert.ok(readiness.ready, JSON.stringify(readiness));
  return lines;
}

async function read(cluster: Cluster, namespace: string, name: string) {
  const live = await cluster.get({ apiVersion: 'v1', kind: 'ServiceAccount', name, namespace });
  return {
    names: objectsAt(live, 'imagePullSecrets').map((entry) => textAt(entry, 'name')),
    ours: textsAt(live, 'metadata', 'annotations')[wiredAnnotation],
    version: textAt(live, 'metadata', 'resourceVersion'),
  };
}

/** What the pods of a workload pull with, as the API server has them. */
async function podSecrets(cluster: Cluster, namespace: string, app: string) {
  const pods = await cluster.list({ apiVersion: 'v1', kind: 'Pod' }, { namespace, labels: `app=${app}` });
  const newest = [...pods].sort((a, b) =>
    (textAt(b, 'metadata', 'creationTimestamp') ?? '').localeCompare(textAt(a, 'metadata', 'creationTimestamp') ?? ''),
  );
  return objectsAt(newest[0], 'spec', 'imagePullSecrets').map((entry) => textAt(entry, 'name'));
}

/** A key with exactly these rights in the namespace. */
async function keyWith(t: TestContext, place: TestCluster, namespace: string, rules: readonly object[]): Promise<Cluster> {
  const name = `key-${rules.length}`;
  const admin = { fieldManager: 'test', force: true };
  const rbac = { apiVersion: 'rbac.authorization.k8s.io/v1', metadata: { name, namespace } };
  await place.cluster.serverSideApply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } }, admin);
  await place.cluster.serverSideApply({ ...rbac, kind: 'Role', rules }, admin);
  const subjects = [{ kind: 'ServiceAccount', name, namespace }];
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name };
  await place.cluster.serverSideApply({ ...rbac, kind: 'RoleBinding', subjects, roleRef }, admin);
  const tokenSecret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: `${name}-token`, annotations: { 'kubernetes.io/service-account.name': name } },
    type: 'kubernetes.io/service-account-token',
  };
  await place.cluster.create(tokenSecret, namespace);
  let token: string | undefined;
  for (let tries = 0; tries < 100 && token === undefined; tries++) {
    token = textAt(await place.cluster.get({ apiVersion: 'v1', kind: 'Secret', name: `${name}-token`, namespace }), 'data', 'token');
    if (token === undefined) await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.ok(token);
  const config = parse(await readFile(place.kubeconfig, 'utf8')) as { clusters: { cluster: object }[] };
  const cluster = await connectCluster({
    kubeconfig: new Secret(
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [{ name: 'c', cluster: config.clusters[0]?.cluster }],
        users: [{ name: 'u', user: { token: Buffer.from(token, 'base64').toString() } }],
        contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
        'current-context': 'x',
      }),
    ),
  });
  t.after(() => cluster[Symbol.dispose]());
  return cluster;
}

test('the pull secret on ServiceAccounts: pods get it, what others put there stays, and it goes when nobody needs it', async (t) => {
  const place = await useCluster(t);
  if (!place) return;
  if (!place.node || !place.importImage) return skip(t, 'no node into which an image can be put');
  await place.importImage(await busyboxImage(t, image));
  const { cluster } = place;
  const namespace = await useNamespace(t, cluster);
  const own = { apiVersion: 'v1', kind: 'ServiceAccount', namespace };
  await cluster.mergePatch({ ...own, name: 'default' }, { imagePullSecrets: [{ name: 'theirs' }] }, by);
  // With the rights of the guide, and no others.
  const verbs = (group: string, resources: string[], ...allowed: string[]) => ({ apiGroups: [group], resources, verbs: allowed });
  const change = ['get', 'list', 'create', 'patch', 'delete'];
  const rules = [
    verbs('apps', ['deployments'], ...change),
    verbs('', ['secrets', 'serviceaccounts'], ...change),
    verbs('', ['pods', 'events'], 'list'),
    verbs('apps', ['replicasets', 'statefulsets', 'daemonsets'], 'list'),
    verbs('batch', ['jobs', 'cronjobs'], 'list'),
    verbs('', ['pods/log'], 'get'),
  ];
  const key = await keyWith(t, place, namespace, rules);
  const onAccounts = openClusterTarget(key, namespace, 'service-accounts');
  const onPods = openClusterTarget(key, namespace, 'pods');
  const preflight = await onAccounts.preflight({});
  assert.ok(preflight.ok, JSON.stringify(preflight));
  const shop = (declared: string) =>
    [
      deployment('plain', ''),
      deployment('named', 'serviceAccountName: web'),
      deployment('stubborn', 'imagePullSecrets: [{ name: special }]'),
      account('web', declared),
    ].join('---');

  await t.test('it is added behind what is there, and pods that name their own get it too', async () => {
    const lines = await release(onAccounts, render(shop('imagePullSecrets: [{ name: team }]'), namespace, 1, 'service-accounts'));
    assert.ok(lines.includes('ServiceAccount default names the pull secret, beside what it named before'), lines.join('\n'));
    const { names, ours } = await read(cluster, namespace, 'default');
    assert.deepEqual([names, ours], [['theirs', pullSecretName], pullSecretName]);
    assert.deepEqual((await read(cluster, namespace, 'web')).names, ['team', pullSecretName]);
    assert.deepEqual(await podSecrets(cluster, namespace, 'plain'), ['theirs', pullSecretName]);
    assert.deepEqual(await podSecrets(cluster, namespace, 'named'), ['team', pullSecretName]);
    assert.deepEqual(await podSecrets(cluster, namespace, 'stubborn'), ['special', pullSecretName]);
  });

  await t.test('the next release changes what the manifests declare, and nothing of others', async () => {
    const { version } = await read(cluster, namespace, 'default');
    const list = [{ name: 'team' }, { name: pullSecretName }, { name: 'operator' }];
    await cluster.mergePatch({ ...own, name: 'web' }, { imagePullSecrets: list }, by);
    await release(onAccounts, render(shop('imagePullSecrets: [{ name: team2 }]'), namespace, 2, 'service-accounts'));
    assert.deepEqual((await read(cluster, namespace, 'web')).names, ['team2', pullSecretName, 'operator']);
    assert.equal((await read(cluster, namespace, 'default')).version, version, 'nothing to do is nothing done');
  });

  await t.test('it stays while a workload of another repository relies on it, and goes with the last', async () => {
    await release(onAccounts, render(deployment('batch', ''), namespace, 3, 'service-accounts', 'batch'));
    const lines = await release(onPods, render(shop(''), namespace, 4, 'pods'));
    assert.match(
      lines.join('\n'),
      /ServiceAccount default keeps the pull secret until Deployment batch, which relies on it, is released again/,
    );
    assert.deepEqual((await read(cluster, namespace, 'default')).names, ['theirs', pullSecretName]);
    const web = await read(cluster, namespace, 'web');
    assert.deepEqual([web.names, web.ours], [['operator'], undefined], 'what others put into it is still there');
    assert.deepEqual(await podSecrets(cluster, namespace, 'plain'), [pullSecretName]);
    await release(onPods, render(deployment('batch', ''), namespace, 5, 'pods', 'batch'));
    const { names, ours } = await read(cluster, namespace, 'default');
    assert.deepEqual([names, ours], [['theirs'], undefined]);
  });

  await t.test('what somebody else put there under that name is not taken away', async () => {
    await cluster.mergePatch({ ...own, name: 'default' }, { imagePullSecrets: [{ name: pullSecretName }] }, by);
    await release(onAccounts, render(deployment('batch', ''), namespace, 6, 'service-accounts', 'batch'));
    assert.equal((await read(cluster, namespace, 'default')).ours, undefined);
    await release(onPods, render(deployment('batch', ''), namespace, 7, 'pods', 'batch'));
    assert.deepEqual((await read(cluster, namespace, 'default')).names, [pullSecretName]);
  });

  await t.test('two who write at once lose nothing of each other', async () => {
    const name = 'busy';
    await cluster.create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } }, namespace);
    const user = render(deployment('x', ''), namespace, 1, 'pods')[0];
    assert.ok(user);
    const others = async (entry: string): Promise<void> => {
      const live = await cluster.get({ ...own, name });
      const imagePullSecrets = [...objectsAt(live, 'imagePullSecrets'), { name: entry }];
      const metadata = { resourceVersion: textAt(live, 'metadata', 'resourceVersion') };
      await cluster.mergePatch({ ...own, name }, { metadata, imagePullSecrets }, by).catch(() => others(entry));
    };
    await Promise.all([others('a'), wireAccount(key, { name, namespace }, user, {}), others('b')]);
    assert.deepEqual((await read(cluster, namespace, name)).names.sort(), ['a', 'b', pullSecretName]);
    await Promise.all([others('c'), unwireAccounts(key, namespace, {})]);
    assert.deepEqual((await read(cluster, namespace, name)).names.sort(), ['a', 'b', 'c']);
  });

  await t.test('an account that is nowhere, and a key that may not, are told before anything is touched', async () => {
    await assert.rejects(
      onAccounts.apply(render(deployment('lost', 'serviceAccountName: gone'), namespace, 8, 'service-accounts'), { pullSecret: secret }),
      /Deployment lost runs as the ServiceAccount gone, which is neither in the manifests nor in the namespace/,
    );
    assert.equal(await cluster.get({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'lost', namespace }), undefined);
    const weak = await keyWith(t, place, namespace, [
      verbs('', ['secrets', 'pods', 'events'], ...change),
      ...rules.slice(0, 1),
      ...rules.slice(3, 4),
    ]);
    const refused = await openClusterTarget(weak, namespace, 'service-accounts').preflight({});
    assert.ok(!refused.ok);
    assert.match(refused.reason, /the cluster key may not get serviceaccounts, patch serviceaccounts in the namespace/);
    assert.ok((await openClusterTarget(weak, namespace, 'pods').preflight({})).ok);
    await release(openClusterTarget(weak, namespace, 'pods'), render(deployment('batch', ''), namespace, 9, 'pods', 'batch'));
  });
});
