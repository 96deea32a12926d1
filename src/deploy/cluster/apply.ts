import { WaybillError, isWaybillError } from '../../kernel/error.ts';
import type { Cluster, Options } from '../../kube/cluster.ts';
import { podTemplatePath } from '../../kube/kinds.ts';
import { numberAt, objectsAt, titleOf, type KubeObject } from '../../kube/object.ts';
import type { Applied, ApplyOptions } from '../port.ts';
import { withProtocols } from './ports.ts';
import type { PullSecretOn } from '../environment.ts';
import { pullSecretObject } from '../pull-secret.ts';
import { accountsOf, applyAccount, isServiceAccount, wireAccount } from './service-accounts.ts';

export const fieldManager = 'waybill';

/** What others need comes first: configuration and accounts, then Services (their addresses are in the pods' environment), then workloads. */
function rank(object: KubeObject): number {
  if (podTemplatePath(object) !== undefined) return 2;
  return object.kind === 'Service' ? 1 : 0;
}

/** Kinds whose pod template can never be changed: an existing one is deleted and made anew. */
const immutable = new Set(['Job', 'Pod']);

/**
 * Server-side apply of everything. First a dry run of all objects, so that a refusal of one leaves nothing half done.
 * @throws WaybillError ADMISSION_DENIED, INVALID_INPUT, CLUSTER_FAILED
 */
export async function applyObjects(
  cluster: Cluster,
  namespace: string,
  objects: readonly KubeObject[],
  options: ApplyOptions & { readonly pullSecretOn?: PullSecretOn },
): Promise<Applied> {
  const { signal } = options;
  const progress = options.onProgress ?? (() => {});
  const secret = options.pullSecret && pullSecretObject(options.pullSecret, namespace);
  const ordered = [...(secret ? [secret] : []), ...objects.map(withProtocols)]
    .map((object) => ({ object, rank: rank(object) }))
    .sort((a, b) => a.rank - b.rank);
  for (const { object } of ordered) await checkScope(cluster, namespace, object, { signal });
  const replaced = new Set<KubeObject>();
  const accounts = options.pullSecretOn === 'service-accounts' && secret ? accountsOf(objects) : new Map<string, KubeObject>();
  const brought = new Set(objects.filter(isServiceAccount).map((object) => object.metadata.name));
  const others = [...accounts].filter(([name]) => !brought.has(name));
  const apply = (object: KubeObject, by: Options & { dryRun?: boolean }): Promise<unknown> => {
    const call = { ...by, fieldManager, force: true };
    return isServiceAccount(object)
      ? applyAccount(cluster, object, accounts.has(object.metadata.name), call)
      : cluster.serverSideApply(object, call);
  };
  for (const { object } of ordered) if (await dryRun(cluster, object, apply, { signal })) replaced.add(object);
  for (const [name, user] of others)
    await named(account(name), () => wireAccount(cluster, { name, namespace }, user, { signal, dryRun: true }));
  let wired = false;
  for (const { object, rank } of ordered) {
    // Before the first pod is made: it copies what its account names at that moment.
    if (rank === 2 && !wired) {
      wired = true;
      for (const [name, user] of others)
        if (await named(account(name), () => wireAccount(cluster, { name, namespace }, user, { signal })))
          progress(`ServiceAccount ${name} names the pull secret, beside what it named before`);
    }
    if (replaced.has(object)) {
      progress(`${titleOf(object)} cannot be changed in place: it is deleted and made anew`);
      await deleteAndWait(cluster, object, { signal });
    }
    await named(object, () => apply(object, { signal }));
    progress(`${titleOf(object)} applied`);
  }
  const all = ordered.map((entry) => entry.object);
  return {
    workloads: all
      .filter((object) => podTemplatePath(object) !== undefined)
      .map(({ apiVersion, kind, metadata: { name } }) => ({ apiVersion, kind, name, id: name })),
    services: all
      .filter((object) => object.apiVersion === 'v1' && object.kind === 'Service')
      .map((object) => ({
        name: object.metadata.name,
        ports: objectsAt(object, 'spec', 'ports')
          .map((port) => numberAt(port, 'port'))
          .filter((port) => port !== undefined),
      })),
  };
}

async function checkScope(cluster: Cluster, namespace: string, object: KubeObject, options: Options): Promise<void> {
  if (object.metadata.namespace !== namespace)
    throw new WaybillError('INVALID_INPUT', `${titleOf(object)} is not in the namespace ${namespace} of the environment`);
  if (!(await named(object, () => cluster.isNamespaced(object, options))))
    throw new WaybillError(
      'INVALID_INPUT',
      `${titleOf(object)} belongs to the whole cluster; a deploy touches the namespace ${namespace} alone`,
      {
        fix: 'Take it out of the manifests; an administrator of the cluster applies it once.',
      },
    );
}

/** True when the object has to be replaced. */
async function dryRun(
  cluster: Cluster,
  object: KubeObject,
  apply: (object: KubeObject, by: Options & { dryRun?: boolean }) => Promise<unknown>,
  options: Options,
): Promise<boolean> {
  try {
    await named(object, () => apply(object, { dryRun: true, ...options }));
    return false;
  } catch (error) {
    if (isWaybillError(error, 'INVALID_INPUT') && /does not support dry run/.test(error.detail)) return false;
    if (!isWaybillError(error, 'INVALID_INPUT') || !immutable.has(object.kind)) throw error;
    const { apiVersion, kind, metadata } = object;
    const live = await cluster.get({ apiVersion, kind, name: metadata.name, namespace: metadata.namespace }, options);
    if (live === undefined || !/immutable|may not change fields|Forbidden/i.test(error.detail)) throw error;
    return true;
  }
}

async function deleteAndWait(cluster: Cluster, object: KubeObject, options: Options): Promise<void> {
  const { apiVersion, kind, metadata } = object;
  const one = { apiVersion, kind, name: metadata.name, namespace: metadata.namespace };
  await cluster.delete(one, options);
  for (let tries = 0; tries < 300; tries++) {
    if ((await cluster.get(one, options)) === undefined) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new WaybillError('DEADLINE_EXCEEDED', `${titleOf(object)} is still being deleted after a minute`);
}

function account(name: string): KubeObject {
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } };
}

/** Puts the object's name in front, except for a denial, whose text stays as the gate wrote it. */
async function named<T>(object: KubeObject, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isWaybillError(error, 'INVALID_INPUT', 'CLUSTER_FAILED', 'CONFLICT', 'NOT_FOUND')) throw error;
    const missing = error.code === 'NOT_FOUND' && /^namespaces? /.test(error.detail);
    throw new WaybillError(error.code, `${titleOf(object)}: ${error.detail}`, {
      cause: error,
      fix: missing
        ? `Create the namespace once, as an administrator of the cluster: kubectl create namespace ${object.metadata.namespace ?? ''}`
        : error.fix,
    });
  }
}
