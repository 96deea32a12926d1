import type { Cluster, ProxyTarget } from '../../kube/cluster.ts';
import { numberAt, objectsAt, textsAt } from '../../kube/object.ts';
import { runAnnotation } from '../manifests/stamp.ts';
import type { Applied, CallOptions, Endpoint } from '../port.ts';
import { conditionOf } from './rollout.ts';

/** The ports of the applied services, and of one ready pod of each workload, through the API server's proxy. */
export async function endpointsOf(cluster: Cluster, namespace: string, applied: Applied, { signal }: CallOptions): Promise<Endpoint[]> {
  const endpoints = applied.services.flatMap(({ name, ports }) =>
    ports.map((port) => through(cluster, { namespace, type: 'services', name, port })),
  );
  for (const { apiVersion, kind, name } of applied.workloads) {
    const workload = await cluster.get({ apiVersion, kind, name, namespace }, { signal });
    if (workload === undefined) continue;
    const run = textsAt(workload, 'metadata', 'annotations')[runAnnotation];
    const labels = Object.entries(textsAt(workload, 'spec', 'selector', 'matchLabels')).map(([key, value]) => `${key}=${value}`);
    if (kind !== 'Pod' && labels.length === 0) continue;
    const pods =
      kind === 'Pod'
        ? [workload]
        : await cluster.list({ apiVersion: 'v1', kind: 'Pod' }, { namespace, labels: labels.join(',') }, { signal });
    const pod = pods.find(
      (entry) => textsAt(entry, 'metadata', 'annotations')[runAnnotation] === run && conditionOf(entry, 'Ready')?.['status'] === 'True',
    );
    if (pod === undefined) continue;
    for (const port of objectsAt(pod, 'spec', 'containers').flatMap((container) => objectsAt(container, 'ports'))) {
      const number = numberAt(port, 'containerPort');
      if (number !== undefined) endpoints.push(through(cluster, { namespace, type: 'pods', name: pod.metadata.name, port: number }));
    }
  }
  return endpoints;
}

function through(cluster: Cluster, target: ProxyTarget & { port: number }): Endpoint {
  return {
    name: `${target.type === 'pods' ? 'pod' : 'service'}/${target.name}`,
    port: target.port,
    get: (path, options) => cluster.proxyGet(target, path, { signal: options?.signal }),
  };
}
