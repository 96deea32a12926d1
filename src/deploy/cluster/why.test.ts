import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject, KubeObject } from '../../kube/object.ts';
import { rolloutOf } from './rollout.ts';
import { whyNotReady } from './why.ts';

const object = (kind: string, fields: JsonObject = {}, apiVersion = 'v1'): KubeObject => ({
  apiVersion,
  kind,
  metadata: { name: 'web', uid: kind },
  ...fields,
});
const pod = (status: JsonObject, spec: JsonObject = {}) =>
  object('Pod', { metadata: { name: 'web-1', uid: 'Pod' }, status: { phase: 'Pending', ...status }, spec });
const container = (state: JsonObject, more: JsonObject = {}) =>
  pod({ containerStatuses: [{ name: 'web', image: 'r/web', restartCount: 0, state, ...more }] });
const waiting = (reason: string, message = '', more: JsonObject = {}) => container({ waiting: { reason, message } }, more);
const event = (reason: string, message: string, of = 'Pod', more: JsonObject = {}) =>
  object('Event', { reason, message, type: 'Warning', involvedObject: { uid: of, ...more } });
const failure = (message: string) =>
  object('ReplicaSet', { status: { conditions: [{ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message }] } });

type Row = {
  name: string;
  pods?: KubeObject[];
  sets?: KubeObject[];
  events?: KubeObject[];
  why: string | undefined;
  hope?: string;
  logs?: boolean;
};

const denial = 'admission webhook "gate.waybill.dev" denied the request: container web: no `review` paper. Merge it.';
const rows: Row[] = [
  { name: 'nothing wrong', pods: [waiting('ContainerCreating')], why: undefined },
  {
    name: 'denied, by condition',
    sets: [failure(denial)],
    why: `the cluster refused its pods: ${denial}`,
    hope: 'never',
  },
  {
    name: 'denied, by event',
    events: [event('FailedCreate', `Error creating: ${denial}`, 'Deployment')],
    why: `the cluster refused its pods: ${denial}`,
    hope: 'never',
  },
  {
    name: 'denied by policy',
    sets: [failure("pods \"web-1\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no digest")],
    why: "the cluster refused its pods: pods \"web-1\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no digest",
    hope: 'never',
  },
  {
    name: 'quota',
    sets: [failure('pods "web-1" is forbidden: exceeded quota: q')],
    why: 'its pods cannot be created: pods "web-1" is forbidden: exceeded quota: q',
    hope: 'never',
  },
  {
    name: 'gate down',
    sets: [failure('Internal error occurred: failed calling webhook "gate"')],
    why: 'its pods cannot be created: Internal error occurred: failed calling webhook "gate"',
    hope: 'hardly',
  },
  {
    name: 'first pull error',
    pods: [waiting('ErrImagePull', 'rpc error: code = Unknown desc = failed to resolve reference "r/web": not found')],
    why: 'container web of pod web-1 cannot pull r/web: failed to resolve reference "r/web": not found',
    hope: 'hardly',
  },
  {
    name: 'pull back-off, explained by the event before',
    pods: [waiting('ImagePullBackOff', 'Back-off pulling image "r/web"')],
    events: [
      event('Failed', 'Failed to pull image "r/web": rpc error: code = Unknown desc = unexpected status code: 401 Unauthorized'),
      event('Failed', 'Error: ErrImagePull'),
    ],
    why: 'container web of pod web-1 cannot pull r/web: unexpected status code: 401 Unauthorized',
    hope: 'hardly', // the kubelet may not have seen the new pull secret yet
  },
  {
    name: 'pull back-off for what is not there',
    pods: [waiting('ImagePullBackOff', 'Back-off pulling image "r/web"')],
    events: [event('Failed', 'Failed to pull image "r/web": rpc error: code = NotFound desc = manifest unknown')],
    why: 'container web of pod web-1 cannot pull r/web: manifest unknown',
    hope: 'never',
  },
  {
    name: 'pull, network',
    pods: [waiting('ImagePullBackOff', 'dial tcp: i/o timeout')],
    why: 'container web of pod web-1 cannot pull r/web: dial tcp: i/o timeout',
    hope: 'hardly',
  },
  {
    name: 'name',
    pods: [waiting('InvalidImageName', 'couldn\'t parse "R W"')],
    why: 'container web of pod web-1 cannot pull r/web: couldn\'t parse "R W"',
    hope: 'never',
  },
  {
    name: 'config',
    pods: [waiting('CreateContainerConfigError', 'secret "db" not found')],
    why: 'container web of pod web-1 cannot be started: secret "db" not found',
    hope: 'hardly',
  },
  {
    name: 'crash loop',
    pods: [waiting('CrashLoopBackOff', 'back-off 20s', { restartCount: 2, lastState: { terminated: { exitCode: 3 } } })],
    why: 'container web of pod web-1 crashes again and again: exit code 3',
    hope: 'never',
    logs: true,
  },
  {
    name: 'first crash',
    pods: [container({ terminated: { exitCode: 137 } })],
    why: 'container web of pod web-1 ended: exit code 137 (signal 9)',
    hope: 'hardly',
    logs: true,
  },
  {
    name: 'memory',
    pods: [waiting('CrashLoopBackOff', '', { restartCount: 4, lastState: { terminated: { exitCode: 137, reason: 'OOMKilled' } } })],
    why: 'container web of pod web-1 crashes again and again: it was killed for lack of memory',
    hope: 'never',
    logs: true,
  },
  {
    name: 'restarted once, runs now',
    pods: [container({ running: {} }, { restartCount: 1, ready: true, lastState: { terminated: { exitCode: 1 } } })],
    why: undefined,
  },
  {
    name: 'probe',
    pods: [container({ running: {} }, { ready: false })],
    events: [
      event('Unhealthy', 'Readiness probe failed: HTTP probe failed with statuscode: 500\n', 'Pod', { fieldPath: 'spec.containers{web}' }),
    ],
    why: 'container web of pod web-1 runs but is not ready: Readiness probe failed: HTTP probe failed with statuscode: 500',
    hope: 'maybe',
  },
  {
    name: 'probe of another container',
    pods: [container({ running: {} }, { ready: false })],
    events: [event('Unhealthy', 'x', 'Pod', { fieldPath: 'spec.containers{side}' })],
    why: undefined,
  },
  {
    name: 'no node',
    pods: [
      pod({
        conditions: [
          { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes are available: 3 Insufficient cpu.' },
        ],
      }),
    ],
    why: 'pod web-1 finds no node: 0/3 nodes are available: 3 Insufficient cpu.',
    hope: 'maybe',
  },
  {
    name: 'volume',
    pods: [pod({})],
    events: [event('FailedMount', 'secret "db" not found')],
    why: 'pod web-1 waits for a volume: secret "db" not found',
    hope: 'hardly',
  },
  { name: 'event of another pod', pods: [pod({})], events: [event('FailedMount', 'x', 'other')], why: undefined },
  {
    name: 'the final reason wins',
    pods: [pod({ conditions: [{ type: 'PodScheduled', status: 'False', message: 'no' }] })],
    sets: [failure(denial)],
    why: `the cluster refused its pods: ${denial}`,
    hope: 'never',
  },
  {
    name: 'a pod that goes',
    pods: [{ ...waiting('InvalidImageName'), metadata: { name: 'web-1', uid: 'Pod', deletionTimestamp: 'x' } }],
    why: undefined,
  },
];

for (const row of rows)
  test(`why: ${row.name}`, () => {
    const found = whyNotReady({
      workload: object('Deployment', {}, 'apps/v1'),
      replicaSets: row.sets ?? [],
      pods: row.pods ?? [],
      events: row.events ?? [],
    });
    assert.equal(found?.why, row.why);
    assert.equal(found?.hope, row.hope);
    assert.equal(found?.logs !== undefined, row.logs === true);
  });

test('a rollout is done when the controller has seen it, the new pods are available and the old are gone', () => {
  const deployment = (status: JsonObject, replicas = 2) =>
    object('Deployment', { metadata: { name: 'web', generation: 3 }, spec: { replicas }, status });
  const stuck = { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded', message: 'too slow' };
  const table: [KubeObject, boolean, string | undefined][] = [
    [deployment({ observedGeneration: 2, updatedReplicas: 2, replicas: 2, availableReplicas: 2 }), false, undefined],
    [deployment({ observedGeneration: 3, updatedReplicas: 2, replicas: 2, availableReplicas: 2 }), true, undefined],
    [deployment({ observedGeneration: 3, updatedReplicas: 2, replicas: 3, availableReplicas: 3 }), false, undefined],
    [deployment({ observedGeneration: 3, updatedReplicas: 1, replicas: 2, availableReplicas: 2 }), false, undefined],
    [deployment({ observedGeneration: 3, updatedReplicas: 2, replicas: 2, availableReplicas: 1, conditions: [stuck] }), false, 'too slow'],
    [deployment({ observedGeneration: 3 }, 0), true, undefined],
    [
      object('StatefulSet', { spec: { replicas: 1 }, status: { currentRevision: 'a', updateRevision: 'b', readyReplicas: 1 } }),
      false,
      undefined,
    ],
    [
      object('StatefulSet', { spec: { replicas: 1 }, status: { currentRevision: 'b', updateRevision: 'b', readyReplicas: 1 } }),
      true,
      undefined,
    ],
    [object('DaemonSet', { status: { desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 1 } }), false, undefined],
    [object('DaemonSet', { status: { desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 2 } }), true, undefined],
    [object('Job', { status: { active: 1 } }), false, undefined],
    [object('Job', { status: { conditions: [{ type: 'Complete', status: 'True' }] } }), true, undefined],
    [object('Job', { status: { conditions: [{ type: 'Failed', status: 'True', message: 'limit' }] } }), false, 'limit'],
    [object('Pod', { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } }), true, undefined],
    [object('Pod', { status: { phase: 'Failed' } }), false, 'a container of the pod failed'],
    [object('CronJob'), true, undefined],
  ];
  for (const [given, done, failed] of table) {
    const outcome = rolloutOf(given);
    assert.deepEqual([outcome.done, outcome.failed], [done, failed], JSON.stringify(given));
  }
});
