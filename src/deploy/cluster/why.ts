import { isDenial } from '../../kube/failure.ts';
import { numberAt, objectsAt, textAt, valueAt, type JsonObject, type KubeObject } from '../../kube/object.ts';
import { conditionOf } from './rollout.ts';

/** What the cluster says about one workload: only what belongs to the release that is waited for. */
export type View = {
  readonly workload: KubeObject;
  readonly replicaSets: readonly KubeObject[];
  readonly pods: readonly KubeObject[];
  /** Warnings about any of the above, in any order. */
  readonly events: readonly KubeObject[];
};

/** `never` changes by waiting, `hardly` (give it half a minute), or `maybe` (a bigger node may come). */
export type Hope = 'never' | 'hardly' | 'maybe';

export type Why = {
  readonly why: string;
  readonly hope: Hope;
  /** Whose last lines belong to the sentence. */
  readonly logs?: { readonly pod: string; readonly container: string; readonly previous: boolean };
};

/** The one sentence that explains best why a workload is not ready; undefined when nothing is wrong so far. */
export function whyNotReady(view: View): Why | undefined {
  const found = [...creationFailures(view), ...view.pods.flatMap((pod) => podFailures(pod, view.events))];
  const order: readonly Hope[] = ['never', 'hardly', 'maybe'];
  return order.map((hope) => found.find((why) => why.hope === hope)).find((why) => why !== undefined);
}

/** Pods that were never made: denied by admission, over a quota, without their service account. */
function creationFailures(view: View): Why[] {
  const conditions = [...view.replicaSets, view.workload]
    .map((object) => conditionOf(object, 'ReplicaFailure'))
    .filter((condition) => condition?.['status'] === 'True')
    .map((condition) => textAt(condition, 'message'));
  const events = view.events.filter((event) => textAt(event, 'reason') === 'FailedCreate').map((event) => textAt(event, 'message'));
  return [...conditions, ...events]
    .filter((message) => message !== undefined)
    .map((message) => message.replace(/^Error creating: /, ''))
    .map((message) =>
      isDenial(message)
        ? { why: `the cluster refused its pods: ${message}`, hope: 'never' as const }
        : {
            why: `its pods cannot be created: ${message}`,
            hope: /exceeded quota|forbidden/.test(message) ? ('never' as const) : ('hardly' as const),
          },
    );
}

function podFailures(pod: KubeObject, events: readonly KubeObject[]): Why[] {
  if (pod.metadata['deletionTimestamp'] !== undefined) return [];
  const own = events.filter((event) => textAt(event, 'involvedObject', 'uid') === pod.metadata['uid']);
  const containers = ['initContainerStatuses', 'containerStatuses'].flatMap((list) => objectsAt(pod, 'status', list));
  return [
    ...evicted(pod),
    ...containers.flatMap((status) => containerFailure(pod, status, own)),
    ...unschedulable(pod),
    ...unmounted(pod, own),
    ...sandboxFailure(pod, own),
  ];
}

const pullReasons = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'RegistryUnavailable',
  'ImageInspectError',
]);
const configReasons = new Set([
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
  'PreCreateHookError',
  'PostStartHookError',
]);
/**
 * What a registry says when asking again cannot help. Not among it: a refused login. A kubelet that has not seen a new pull secret yet asks
 * without it first, and with it the next time.
 */
const pullForGood = /not found|manifest unknown|invalid reference|server gave HTTP response/i;

function containerFailure(pod: KubeObject, status: JsonObject, events: readonly KubeObject[]): Why[] {
  const container = textAt(status, 'name') ?? '';
  const where = `container ${container} of pod ${pod.metadata.name}`;
  const reason = textAt(status, 'state', 'waiting', 'reason') ?? '';
  const message = textAt(status, 'state', 'waiting', 'message') ?? '';
  if (pullReasons.has(reason)) {
    const told = pullMessage(message, events);
    const final =
      reason === 'InvalidImageName' || reason === 'ErrImageNeverPull' || (reason === 'ImagePullBackOff' && pullForGood.test(told));
    return [{ why: `${where} cannot pull ${textAt(status, 'image') ?? 'its image'}: ${told || reason}`, hope: final ? 'never' : 'hardly' }];
  }
  if (configReasons.has(reason)) return [{ why: `${where} cannot be started: ${message || reason}`, hope: 'hardly' }];
  const restarts = numberAt(status, 'restartCount') ?? 0;
  const ended = valueAt(status, 'state', 'terminated') ?? valueAt(status, 'lastState', 'terminated');
  const exitCode = numberAt(ended, 'exitCode');
  const running = valueAt(status, 'state', 'running') !== undefined;
  if (exitCode !== undefined && (exitCode !== 0 || reason === 'CrashLoopBackOff') && !(running && restarts < 2)) {
    const how =
      textAt(ended, 'reason') === 'OOMKilled' ? 'it was killed for lack of memory' : describeExit(exitCode, numberAt(ended, 'signal'));
    const restarting = textAt(pod, 'spec', 'restartPolicy') !== 'Never';
    const previous = valueAt(status, 'state', 'terminated') === undefined;
    return [
      {
        why: restarts > 0 ? `${where} crashes again and again: ${how}` : `${where} ended: ${how}`,
        hope: restarts >= 2 || !restarting ? 'never' : 'hardly',
        logs: { pod: pod.metadata.name, container, previous },
      },
    ];
  }
  return running && status['ready'] !== true ? probeFailure(where, container, events) : [];
}

/** The back-off message only repeats the name; the event before it has the registry's answer. */
function pullMessage(message: string, events: readonly KubeObject[]): string {
  const failed = events
    .filter((event) => textAt(event, 'reason') === 'Failed')
    .map((event) => textAt(event, 'message') ?? '')
    .find((text) => text.startsWith('Failed to pull image'));
  const text = message === '' || message.startsWith('Back-off') ? (failed ?? message) : message;
  return text.replace(/^Failed to pull image "[^"]*": /, '').replace(/^rpc error: code = \w+ desc = /, '');
}

function describeExit(exitCode: number, signal: number | undefined): string {
  if (signal !== undefined && signal > 0) return `signal ${signal}`;
  return exitCode > 128 ? `exit code ${exitCode} (signal ${exitCode - 128})` : `exit code ${exitCode}`;
}

function probeFailure(where: string, container: string, events: readonly KubeObject[]): Why[] {
  const message = events
    .filter((event) => textAt(event, 'reason') === 'Unhealthy')
    .filter((event) => (textAt(event, 'involvedObject', 'fieldPath') ?? `{${container}}`).includes(`{${container}}`))
    .map((event) => textAt(event, 'message') ?? '')
    .at(-1);
  return message === undefined ? [] : [{ why: `${where} runs but is not ready: ${message.trim()}`, hope: 'maybe' }];
}

function unschedulable(pod: KubeObject): Why[] {
  const scheduled = conditionOf(pod, 'PodScheduled');
  if (scheduled?.['status'] !== 'False') return [];
  return [{ why: `pod ${pod.metadata.name} finds no node: ${textAt(scheduled, 'message') ?? 'unschedulable'}`, hope: 'maybe' }];
}

function evicted(pod: KubeObject): Why[] {
  if (textAt(pod, 'status', 'phase') !== 'Failed' || textAt(pod, 'status', 'reason') === undefined) return [];
  const message = textAt(pod, 'status', 'message') ?? '';
  return [{ why: `pod ${pod.metadata.name} failed: ${textAt(pod, 'status', 'reason') ?? ''} ${message}`.trim(), hope: 'hardly' }];
}

function unmounted(pod: KubeObject, events: readonly KubeObject[]): Why[] {
  const message = lastMessage(pod, events, ['FailedMount', 'FailedAttachVolume']);
  return message === undefined ? [] : [{ why: `pod ${pod.metadata.name} waits for a volume: ${message}`, hope: 'hardly' }];
}

function sandboxFailure(pod: KubeObject, events: readonly KubeObject[]): Why[] {
  const message = lastMessage(pod, events, ['FailedCreatePodSandBox', 'FailedSync']);
  return message === undefined ? [] : [{ why: `pod ${pod.metadata.name} cannot be started by its node: ${message}`, hope: 'maybe' }];
}

function lastMessage(pod: KubeObject, events: readonly KubeObject[], reasons: readonly string[]): string | undefined {
  if (textAt(pod, 'status', 'phase') !== 'Pending') return undefined;
  return events
    .filter((event) => reasons.includes(textAt(event, 'reason') ?? ''))
    .map((event) => textAt(event, 'message'))
    .at(-1);
}
