import { isDigest, type Digest } from '../../kernel/digest.ts';
import type { Cluster } from '../../kube/cluster.ts';
import { objectsAt, textAt, textsAt, valueAt, type JsonObject, type KubeObject } from '../../kube/object.ts';
import { commitAnnotation, managedBy, managedByLabel, repositoryAnnotation, runAnnotation } from '../manifests/stamp.ts';
import type { CallOptions, RunningContainer } from '../port.ts';

/** The containers that run now, of pods that Waybill deployed, as the cluster reports them. */
export async function runningContainers(
  cluster: Cluster,
  namespace: string,
  { signal, repository }: CallOptions & { readonly repository?: string },
): Promise<RunningContainer[]> {
  const labels = `${managedByLabel}=${managedBy}`;
  const pods = await cluster.list({ apiVersion: 'v1', kind: 'Pod' }, { namespace, labels }, { signal });
  const sets = await cluster.list({ apiVersion: 'apps/v1', kind: 'ReplicaSet' }, { namespace, labels }, { signal });
  const ownerOfSet = new Map(sets.map((set) => [set.metadata['uid'], ownerOf(set)]));
  return pods.flatMap((pod) => {
    const stamped = textsAt(pod, 'metadata', 'annotations');
    if (repository !== undefined && stamped[repositoryAnnotation] !== repository) return [];
    const owner = ownerOf(pod);
    const workload = (owner && (ownerOfSet.get(valueAt(owner, 'uid')) ?? owner)) ?? { kind: 'Pod', name: pod.metadata.name };
    const run = Number(stamped[runAnnotation]);
    return objectsAt(pod, 'status', 'containerStatuses')
      .filter((status) => valueAt(status, 'state', 'running') !== undefined)
      .map((status) => {
        const container = textAt(status, 'name') ?? '';
        const spec = objectsAt(pod, 'spec', 'containers').find((entry) => entry['name'] === container);
        const image = textAt(spec, 'image') ?? textAt(status, 'image') ?? '';
        const digest = digestIn(image) ?? digestIn(textAt(status, 'imageID') ?? '');
        return {
          workload: `${textAt(workload, 'kind') ?? ''} ${textAt(workload, 'name') ?? ''}`,
          pod: pod.metadata.name,
          container,
          image,
          ...(digest !== undefined && { digest }),
          ...(stamped[repositoryAnnotation] !== undefined && { repository: stamped[repositoryAnnotation] }),
          ...(Number.isSafeInteger(run) && { run }),
          ...(stamped[commitAnnotation] !== undefined && { commit: stamped[commitAnnotation] }),
        };
      });
  });
}

function ownerOf(object: KubeObject): JsonObject | undefined {
  return objectsAt(object, 'metadata', 'ownerReferences').find((owner) => owner['controller'] === true);
}

/** The digest at the end of a reference such as `registry/shop@sha256:…`. */
export function digestIn(reference: string): Digest | undefined {
  const digest = reference.slice(reference.indexOf('@') + 1);
  return isDigest(digest) ? digest : undefined;
}
