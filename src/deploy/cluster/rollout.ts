import { numberAt, objectsAt, textAt, type JsonObject, type KubeObject } from '../../kube/object.ts';

/** How far a workload has come. `failed` is final. */
export type Rollout = { readonly done: boolean; readonly progress: string; readonly failed?: string };

type Judge = (object: KubeObject) => Rollout;

/** Kinds that are waited for; what has no row here is ready when it is applied. */
const judges: Readonly<Record<string, Judge>> = {
  Deployment: judgeDeployment,
  StatefulSet: judgeStatefulSet,
  DaemonSet: judgeDaemonSet,
  ReplicaSet: (object) => judgeReplicas(object, 'availableReplicas'),
  ReplicationController: (object) => judgeReplicas(object, 'availableReplicas'),
  Job: judgeJob,
  Pod: judgePod,
};

/** @param object as the cluster returns it, with its status */
export function rolloutOf(object: KubeObject): Rollout {
  const judge = Object.hasOwn(judges, object.kind) ? judges[object.kind] : undefined;
  return judge === undefined ? { done: true, progress: 'applied' } : judge(object);
}

function judgeDeployment(object: KubeObject): Rollout {
  if (!observed(object)) return notSeen;
  const wanted = numberAt(object, 'spec', 'replicas') ?? 1;
  const updated = count(object, 'updatedReplicas');
  const total = count(object, 'replicas');
  const available = count(object, 'availableReplicas');
  const stuck = conditionOf(object, 'Progressing');
  const progress = `${updated} of ${wanted} updated, ${available} available`;
  if (stuck?.['status'] === 'False' && stuck['reason'] === 'ProgressDeadlineExceeded')
    return { done: false, progress, failed: textAt(stuck, 'message') ?? 'its progress deadline is over' };
  if (updated >= wanted && total > updated) return { done: false, progress: `${progress}, ${total - updated} old to end` };
  return { done: updated >= wanted && available >= wanted, progress };
}

function judgeStatefulSet(object: KubeObject): Rollout {
  if (!observed(object)) return notSeen;
  if (textAt(object, 'spec', 'updateStrategy', 'type') === 'OnDelete')
    return { done: true, progress: 'applied; its pods change when they are deleted (OnDelete)' };
  const wanted = numberAt(object, 'spec', 'replicas') ?? 1;
  const kept = numberAt(object, 'spec', 'updateStrategy', 'rollingUpdate', 'partition') ?? 0;
  const updated =
    textAt(object, 'status', 'updateRevision') === textAt(object, 'status', 'currentRevision') ? wanted : count(object, 'updatedReplicas');
  const ready = count(object, 'readyReplicas');
  return {
    done: updated >= wanted - kept && ready >= wanted,
    progress: `${Math.min(updated, wanted)} of ${wanted} updated, ${ready} ready`,
  };
}

function judgeDaemonSet(object: KubeObject): Rollout {
  if (!observed(object)) return notSeen;
  const wanted = count(object, 'desiredNumberScheduled');
  const updated = count(object, 'updatedNumberScheduled');
  const available = count(object, 'numberAvailable');
  return { done: updated >= wanted && available >= wanted, progress: `${updated} of ${wanted} updated, ${available} available` };
}

function judgeReplicas(object: KubeObject, field: string): Rollout {
  if (!observed(object)) return notSeen;
  const wanted = numberAt(object, 'spec', 'replicas') ?? 1;
  const available = count(object, field);
  return { done: available >= wanted, progress: `${available} of ${wanted} available` };
}

function judgeJob(object: KubeObject): Rollout {
  const failed = conditionOf(object, 'Failed');
  if (failed?.['status'] === 'True') return { done: false, progress: 'failed', failed: textAt(failed, 'message') ?? 'the job failed' };
  if (conditionOf(object, 'Complete')?.['status'] === 'True') return { done: true, progress: 'complete' };
  return {
    done: false,
    progress: `${count(object, 'active')} active, ${count(object, 'succeeded')} succeeded, ${count(object, 'failed')} failed`,
  };
}

function judgePod(object: KubeObject): Rollout {
  const phase = textAt(object, 'status', 'phase') ?? 'Pending';
  if (phase === 'Succeeded') return { done: true, progress: 'succeeded' };
  if (phase === 'Failed')
    return { done: false, progress: 'failed', failed: textAt(object, 'status', 'message') ?? 'a container of the pod failed' };
  return { done: conditionOf(object, 'Ready')?.['status'] === 'True', progress: phase.toLowerCase() };
}

const notSeen: Rollout = { done: false, progress: 'waiting for its controller' };

function observed(object: KubeObject): boolean {
  return count(object, 'observedGeneration') >= (numberAt(object, 'metadata', 'generation') ?? 0);
}

function count(object: KubeObject, field: string): number {
  return numberAt(object, 'status', field) ?? 0;
}

export function conditionOf(object: KubeObject, type: string): JsonObject | undefined {
  return objectsAt(object, 'status', 'conditions').find((condition) => condition['type'] === type);
}
