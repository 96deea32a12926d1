import { messageOf } from '../../kernel/error.ts';
import type { Cluster } from '../../kube/cluster.ts';
import { managedBy } from '../manifests/stamp.ts';
import type { CallOptions, Preflight, Target } from '../port.ts';
import type { PullSecretOn } from '../environment.ts';
import { pullSecretName, pullSecretObject } from '../pull-secret.ts';
import { applyObjects } from './apply.ts';
import { endpointsOf } from './endpoints.ts';
import { removeDeployed } from './remove.ts';
import { runningContainers } from './running.ts';
import { unwireAccounts } from './service-accounts.ts';
import { waitForRollout } from './wait.ts';

/** Releases into one namespace of a cluster. The target owns the connection and closes it. */
export function openClusterTarget(cluster: Cluster, namespace: string, pullSecretOn: PullSecretOn = 'pods'): Target {
  return {
    kind: 'cluster',
    preflight: (options) => preflight(cluster, namespace, pullSecretOn, options),
    apply: (objects, options) => applyObjects(cluster, namespace, objects, { ...options, pullSecretOn }),
    async waitReady(applied, options) {
      const why = await waitForRollout(cluster, namespace, applied, options);
      if (why !== undefined) return { ready: false, why };
      if (pullSecretOn === 'pods') await tidyAccounts(cluster, namespace, options);
      return { ready: true, endpoints: await endpointsOf(cluster, namespace, applied, options) };
    },
    async renewPullSecret(make, { signal }) {
      const call = { fieldManager: managedBy, force: true, signal };
      // Tried first: a cluster that is away for days, or a namespace that is gone, must not gather keys that nobody has.
      await cluster.serverSideApply(pullSecretObject([], namespace), { ...call, dryRun: true });
      await cluster.serverSideApply(pullSecretObject(await make(), namespace), call);
    },
    async hasPullSecret({ signal }) {
      // What the key may not see is taken to be there.
      if (!(await cluster.canI({ verb: 'get', group: '', resource: 'secrets', namespace }, { signal }))) return true;
      return (await cluster.get({ apiVersion: 'v1', kind: 'Secret', name: pullSecretName, namespace }, { signal })) !== undefined;
    },
    running: (options) => runningContainers(cluster, namespace, options),
    async remove(options) {
      const removed = await removeDeployed(cluster, namespace, options);
      await unwireAccounts(cluster, namespace, options);
      return removed;
    },
    async [Symbol.asyncDispose]() {
      cluster[Symbol.dispose]();
    },
  };
}

const needed = [
  { verb: 'patch', group: 'apps', resource: 'deployments' },
  { verb: 'create', group: 'apps', resource: 'deployments' },
  { verb: 'patch', group: '', resource: 'secrets' },
  { verb: 'create', group: '', resource: 'secrets' },
  { verb: 'list', group: '', resource: 'pods' },
  { verb: 'list', group: '', resource: 'events' },
  { verb: 'list', group: 'apps', resource: 'replicasets' },
];

/** Besides, when the pull secret is on the accounts: they are read, and patched one by one. */
const neededForAccounts = ['get', 'patch'].map((verb) => ({ verb, group: '', resource: 'serviceaccounts' }));

/** The release is out and serves: what is left over from another way of wiring must not make it a failure. */
async function tidyAccounts(
  cluster: Cluster,
  namespace: string,
  options: CallOptions & { onProgress?(line: string): void },
): Promise<void> {
  try {
    for (const line of await unwireAccounts(cluster, namespace, options)) options.onProgress?.(line);
  } catch (error) {
    options.signal?.throwIfAborted();
    options.onProgress?.(`the ServiceAccounts still name the pull secret: ${messageOf(error)}`);
  }
}

async function preflight(cluster: Cluster, namespace: string, pullSecretOn: PullSecretOn, { signal }: CallOptions): Promise<Preflight> {
  try {
    const version = await cluster.version({ signal });
    const lacking: string[] = [];
    for (const access of pullSecretOn === 'pods' ? needed : [...needed, ...neededForAccounts])
      if (!(await cluster.canI({ ...access, namespace }, { signal }))) lacking.push(`${access.verb} ${access.resource}`);
    if (lacking.length > 0) return { ok: false, reason: `the cluster key may not ${lacking.join(', ')} in the namespace ${namespace}` };
    return { ok: true, details: [`Kubernetes ${version} at ${cluster.server}, namespace ${namespace}`] };
  } catch (error) {
    signal?.throwIfAborted();
    return { ok: false, reason: messageOf(error) };
  }
}
