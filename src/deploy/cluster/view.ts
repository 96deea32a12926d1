import type { Cluster } from '../../kube/cluster.ts';
import { objectsAt, textAt, textsAt, type KubeObject } from '../../kube/object.ts';
import { runAnnotation } from '../manifests/stamp.ts';
import type { View } from './why.ts';

/** Collects what the cluster says about a workload, leaving out pods and events of earlier releases. */
export async function readView(cluster: Cluster, workload: KubeObject, signal: AbortSignal | undefined): Promise<View> {
  const namespace = workload.metadata.namespace ?? '';
  const run = textsAt(workload, 'metadata', 'annotations')[runAnnotation];
  const labels = Object.entries(textsAt(workload, 'spec', 'selector', 'matchLabels'))
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  const ofThisRun = (object: KubeObject) => textsAt(object, 'metadata', 'annotations')[runAnnotation] === run;
  const warnings = cluster.list({ apiVersion: 'v1', kind: 'Event' }, { namespace, fields: 'type=Warning' }, { signal });
  const pods =
    workload.kind === 'Pod'
      ? [workload]
      : (await cluster.list({ apiVersion: 'v1', kind: 'Pod' }, { namespace, labels }, { signal })).filter(ofThisRun);
  const replicaSets =
    workload.kind === 'Deployment'
      ? (await cluster.list({ apiVersion: 'apps/v1', kind: 'ReplicaSet' }, { namespace, labels }, { signal })).filter(
          (set) => textsAt(set, 'spec', 'template', 'metadata', 'annotations')[runAnnotation] === run,
        )
      : [];
  const uids = new Set([workload, ...pods, ...replicaSets].map((object) => object.metadata['uid']));
  const since = appliedAt(workload);
  const events = (await warnings)
    .filter((event) => uids.has(textAt(event, 'involvedObject', 'uid')) && lastSeen(event) >= since)
    .sort((a, b) => lastSeen(a) - lastSeen(b));
  return { workload, replicaSets, pods, events };
}

/** When Waybill last changed the object, by the cluster's own clock: events from before tell of an earlier release. */
function appliedAt(workload: KubeObject): number {
  const times = objectsAt(workload, 'metadata', 'managedFields')
    .filter((entry) => entry['manager'] === 'waybill' && entry['operation'] === 'Apply')
    .map((entry) => Date.parse(textAt(entry, 'time') ?? ''));
  return Math.max(0, ...times.filter((time) => !Number.isNaN(time)));
}

function lastSeen(event: KubeObject): number {
  const text =
    textAt(event, 'series', 'lastObservedTime') ??
    textAt(event, 'lastTimestamp') ??
    textAt(event, 'eventTime') ??
    textAt(event, 'metadata', 'creationTimestamp') ??
    '';
  const time = Date.parse(text);
  return Number.isNaN(time) ? 0 : time;
}
