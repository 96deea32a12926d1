import { isWaybillError } from '../../kernel/error.ts';
import type { Cluster } from '../../kube/cluster.ts';
import { objectsAt, textsAt, titleOf, type KubeType } from '../../kube/object.ts';
import { managedBy, managedByLabel, repositoryAnnotation } from '../manifests/stamp.ts';
import type { CallOptions } from '../port.ts';

/** In this order, so that nothing is started again. Volume claims are left: they hold data. */
const types: readonly KubeType[] = [
  { apiVersion: 'autoscaling/v1', kind: 'HorizontalPodAutoscaler' },
  { apiVersion: 'batch/v1', kind: 'CronJob' },
  { apiVersion: 'batch/v1', kind: 'Job' },
  { apiVersion: 'apps/v1', kind: 'Deployment' },
  { apiVersion: 'apps/v1', kind: 'StatefulSet' },
  { apiVersion: 'apps/v1', kind: 'DaemonSet' },
  { apiVersion: 'apps/v1', kind: 'ReplicaSet' },
  { apiVersion: 'v1', kind: 'Pod' },
  { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress' },
  { apiVersion: 'v1', kind: 'Service' },
  { apiVersion: 'v1', kind: 'ConfigMap' },
  { apiVersion: 'v1', kind: 'Secret' },
];

/** Deletes what carries Waybill's label and belongs to nothing else. Returns what was deleted. */
export async function removeDeployed(
  cluster: Cluster,
  namespace: string,
  { signal, repository }: CallOptions & { readonly repository?: string },
): Promise<string[]> {
  const removed: string[] = [];
  for (const type of types) {
    for (const object of await listKnown(cluster, type, namespace, signal)) {
      const annotations = textsAt(object, 'metadata', 'annotations');
      if (repository !== undefined && annotations[repositoryAnnotation] !== repository) continue;
      if (objectsAt(object, 'metadata', 'ownerReferences').length > 0) continue;
      if (await cluster.delete({ ...type, name: object.metadata.name, namespace }, { signal })) removed.push(titleOf(object));
    }
  }
  return removed;
}

async function listKnown(cluster: Cluster, type: KubeType, namespace: string, signal: AbortSignal | undefined) {
  try {
    return await cluster.list(type, { namespace, labels: `${managedByLabel}=${managedBy}` }, { signal });
  } catch (error) {
    // Not every cluster has every kind, and nothing of a kind that it lacks can be there.
    if (isWaybillError(error, 'INVALID_INPUT') && error.detail.startsWith('the cluster knows no kind')) return [];
    throw error;
  }
}
