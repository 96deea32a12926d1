import { messageOf } from '../../kernel/error.ts';
import type { Cluster } from '../../kube/cluster.ts';
import { managedBy } from '../manifests/stamp.ts';
import type { CallOptions, Preflight, Target } from '../port.ts';
import { pullSecretObject } from '../pull-secret.ts';
import { applyObjects } from './apply.ts';
import { endpointsOf } from './endpoints.ts';
import { removeDeployed } from './remove.ts';
import { runningContainers } from './running.ts';
import { waitForRollout } from './wait.ts';

/** Releases into one namespace of a cluster. The target owns the connection and closes it. */
export function openClusterTarget(cluster: Cluster, namespace: string): Target {
  return {
    kind: 'cluster',
    preflight: (options) => preflight(cluster, namespace, options),
    apply: (objects, options) => applyObjects(cluster, namespace, objects, options),
    async waitReady(applied, options) {
      const why = await waitForRollout(cluster, namespace, applied, options);
      return why === undefined
        ? { ready: true, endpoints: await endpointsOf(cluster, namespace, applied, options) }
        : { ready: false, why };
    },
    async renewPullSecret(pullSecret, { signal }) {
      await cluster.serverSideApply(pullSecretObject(pullSecret, namespace), { fieldManager: managedBy, force: true, signal });
    },
    running: (options) => runningContainers(cluster, namespace, options),
    remove: (options) => removeDeployed(cluster, namespace, options),
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

async function preflight(cluster: Cluster, namespace: string, { signal }: CallOptions): Promise<Preflight> {
  try {
    const version = await cluster.version({ signal });
    const lacking: string[] = [];
    for (const access of needed)
      if (!(await cluster.canI({ ...access, namespace }, { signal }))) lacking.push(`${access.verb} ${access.resource}`);
    if (lacking.length > 0) return { ok: false, reason: `the cluster key may not ${lacking.join(', ')} in the namespace ${namespace}` };
    return { ok: true, details: [`Kubernetes ${version} at ${cluster.server}, namespace ${namespace}`] };
  } catch (error) {
    signal?.throwIfAborted();
    return { ok: false, reason: messageOf(error) };
  }
}
