import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { useCluster, useNamespace } from '../../test/cluster.ts';
import { isWaybillError } from '../kernel/error.ts';
import { Secret } from '../kernel/secret.ts';
import { connectCluster } from './cluster.ts';

const configMap = (namespace: string, data: object) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'conf', namespace, labels: { a: 'b' } },
  data,
});

test('objects are applied, read, listed by label, watched and deleted', async (t) => {
  const place = await useCluster(t);
  if (!place) return;
  const { cluster } = place;
  const namespace = await useNamespace(t, cluster);
  assert.match(await cluster.version(), /^v1\./);
  const one = { apiVersion: 'v1', kind: 'ConfigMap', name: 'conf', namespace };
  assert.equal(await cluster.get(one), undefined);
  const applied = await cluster.serverSideApply(configMap(namespace, { x: '1', y: '2' }), { fieldManager: 'waybill', force: true });
  assert.equal(applied.metadata.name, 'conf');
  await cluster.serverSideApply(configMap(namespace, { x: '3' }), { fieldManager: 'waybill', force: true });
  assert.deepEqual((await cluster.get(one))?.['data'], { x: '3' });
  assert.equal((await cluster.list(one, { namespace, labels: 'a=b' })).length, 1);
  assert.equal((await cluster.list(one, { namespace, labels: 'a=c' })).length, 0);
  const signal = AbortSignal.timeout(10_000);
  for await (const event of cluster.watch(one, { namespace, labels: 'a=b' }, signal)) {
    assert.deepEqual([event.type, event.object.metadata.name], ['ADDED', 'conf']);
    break;
  }
  assert.equal(await cluster.canI({ verb: 'create', group: '', resource: 'pods', namespace }), true);
  assert.equal(await cluster.delete(one), true);
  assert.equal(await cluster.delete(one), false);
});

test('failures say what the API server said', async (t) => {
  const place = await useCluster(t);
  if (!place) return;
  const { cluster, kubeconfig } = place;
  const namespace = await useNamespace(t, cluster);
  const apply = { fieldManager: 'waybill', force: true };
  await assert.rejects(
    cluster.serverSideApply({ apiVersion: 'v1', kind: 'Nonsense', metadata: { name: 'x', namespace } }, apply),
    (error) => isWaybillError(error, 'INVALID_INPUT') && /knows no kind Nonsense in v1/.test(error.detail),
  );
  await assert.rejects(
    cluster.serverSideApply({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'x', namespace }, spec: {} }, apply),
    (error) => isWaybillError(error, 'INVALID_INPUT') && /spec\.selector: Required value/.test(error.detail),
  );
  await assert.rejects(
    cluster.serverSideApply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: '../x', namespace } }, apply),
    (error) => isWaybillError(error),
  );
  await assert.rejects(cluster.version({ signal: AbortSignal.abort() }), (error) => isWaybillError(error, 'CANCELLED'));
  await assert.rejects(cluster.version({ timeoutMs: 0 }), (error) => isWaybillError(error, 'DEADLINE_EXCEEDED'));
  await assert.rejects(
    cluster.proxyGet({ namespace, type: 'pods', name: 'x', port: 80 }, '/../../../secrets'),
    (error) => isWaybillError(error, 'INVALID_INPUT') && /leaves the endpoint/.test(error.detail),
  );
  const wrong = (await readFile(kubeconfig, 'utf8')).replace(/(server: https:\/\/[^:]+:)\d+/, '$11');
  using gone = await connectCluster({ kubeconfig: new Secret(wrong) });
  await assert.rejects(gone.version(), (error) => isWaybillError(error, 'CLUSTER_FAILED') && /cannot be reached/.test(error.detail));
});
