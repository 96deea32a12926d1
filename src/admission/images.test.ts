import assert from 'node:assert/strict';
import { test } from 'node:test';
import { imagesOf, kindOf, type CustomWorkload } from './images.ts';
import { goodImage } from './test-kit.ts';

const spec = {
  containers: [{ name: 'a', image: `${goodImage}` }],
  initContainers: [{ name: 'b', image: 'two' }],
  ephemeralContainers: [{ name: 'c', image: 'three' }],
  volumes: [
    { name: 'd', image: { reference: 'four' } },
    { name: 'e', emptyDir: {} },
  ],
};
const places = ['containers[0].image', 'initContainers[0].image', 'ephemeralContainers[0].image', 'volumes[0].image.reference'];
const template = { spec: { template: { spec } } };

const kinds: [string, string, object, string][] = [
  ['v1', 'Pod', { spec }, 'spec'],
  ['v2', 'Pod', { spec }, 'spec'],
  ['v1', 'PodTemplate', { template: { spec } }, 'template.spec'],
  ['v1', 'ReplicationController', template, 'spec.template.spec'],
  ['apps/v1', 'Deployment', template, 'spec.template.spec'],
  ['apps/v9alpha1', 'Deployment', template, 'spec.template.spec'],
  ['extensions/v1beta1', 'Deployment', template, 'spec.template.spec'],
  ['apps/v1', 'ReplicaSet', template, 'spec.template.spec'],
  ['apps/v1', 'StatefulSet', template, 'spec.template.spec'],
  ['apps/v1', 'DaemonSet', template, 'spec.template.spec'],
  ['batch/v1', 'Job', template, 'spec.template.spec'],
  ['batch/v1', 'CronJob', { spec: { jobTemplate: template } }, 'spec.jobTemplate.spec.template.spec'],
];
const custom: CustomWorkload[] = [
  { group: 'argoproj.io', kind: 'Rollout', templates: [['spec', 'template']] },
  { group: 'work.example', kind: 'Fleet', templates: [['spec', 'pods', '*', 'template']] },
];

function read(object: object, workloads: readonly CustomWorkload[] = custom) {
  const kind = kindOf(object);
  assert.ok(kind);
  return imagesOf(object, kind, workloads);
}

for (const [apiVersion, kind, body, at] of kinds) {
  test(`every image of ${apiVersion} ${kind} is found`, () => {
    const images = read({ apiVersion, kind, ...body });
    assert.deepEqual(
      images.uses.map((use) => use.at),
      places.map((place) => `${at}.${place}`),
    );
    assert.deepEqual(
      images.uses.map((use) => use.container),
      ['a', 'b', 'c', 'd'],
    );
    assert.deepEqual([images.kind, images.problems], ['workload', []]);
  });
}

test('custom resources are read by their paths', () => {
  const rollout = read({ apiVersion: 'argoproj.io/v1alpha1', kind: 'Rollout', ...template });
  assert.equal(rollout.uses.length, 4);
  const list = read({ apiVersion: 'work.example/v1', kind: 'Fleet', spec: { pods: [{ template: { spec } }, { template: { spec } }] } });
  assert.deepEqual([list.uses.length, list.uses[4]?.at], [8, 'spec.pods[1].template.spec.containers[0].image']);
  const map = read({ apiVersion: 'work.example/v1', kind: 'Fleet', spec: { pods: { x: { template: { spec } } } } });
  assert.equal(map.uses.length, 4);
  assert.equal(read({ apiVersion: 'work.example/v1', kind: 'Fleet', spec: { pods: [] } }).kind, 'other');
  assert.equal(read({ apiVersion: 'work.example/v1', kind: 'Fleet', spec: { pods: 3 } }).problems.length, 1);
  assert.ok(read({ apiVersion: 'argoproj.io/v1alpha1', kind: 'Rollout', spec: {} }).problems.length > 0);
});

test('a kind nobody named is not judged, but what looks like a container is told', () => {
  const unread = (object: object) => read(object, []).unread.map((place) => place.at);
  assert.deepEqual(
    unread({ apiVersion: 'argoproj.io/v1alpha1', kind: 'Rollout', spec: { template: { spec: { containers: [{ image: 'x' }] } } } }),
    ['spec.template.spec.containers[0].image'],
  );
  assert.deepEqual(unread({ apiVersion: 'argoproj.io/v1alpha1', kind: 'Workflow', spec: { templates: [{ container: { image: 'x' } }] } }), [
    'spec.templates[0].container.image',
  ]);
  assert.deepEqual(unread({ apiVersion: 'v1', kind: 'ConfigMap', data: { image: 'x' } }), []);
  assert.deepEqual(unread({ apiVersion: 'apps/v1', kind: 'ControllerRevision', data: { spec: { template: { spec } } } }), []);
});

test('lists are read item by item', () => {
  const pod = { apiVersion: 'v1', kind: 'Pod', spec: { containers: [{ image: 'x' }] } };
  assert.equal(read({ apiVersion: 'v1', kind: 'List', items: [pod, { apiVersion: 'v1', kind: 'List', items: [pod] }] }).uses.length, 2);
  assert.equal(read({ apiVersion: 'v1', kind: 'PodList', items: [{ spec: pod.spec }] }).uses[0]?.at, 'items[0].spec.containers[0].image');
  assert.ok(read({ apiVersion: 'v1', kind: 'List', items: [{ spec: pod.spec }, 3, null] }).problems.length === 3);
  assert.ok(read({ apiVersion: 'v1', kind: 'List', items: 'x' }).problems.length === 1);
  let nested: object = pod;
  for (let depth = 0; depth < 50; depth++) nested = { apiVersion: 'v1', kind: 'List', items: [nested] };
  assert.ok(read(nested).problems.length === 1);
});

const broken: [string, unknown][] = [
  ['an image that is a number', { containers: [{ image: 42 }] }],
  ['an image that is a list', { containers: [{ image: ['x'] }] }],
  ['no image', { containers: [{ name: 'a' }] }],
  ['a null image', { containers: [{ image: null }] }],
  ['containers as an object', { containers: { 0: { image: 'x' }, length: 1 } }],
  ['containers as text', { containers: 'x' }],
  ['no containers', {}],
  ['an empty list of containers', { containers: [] }],
  ['a container that is text', { containers: ['x'] }],
  ['a container that is null', { containers: [null] }],
  ['initContainers as an object', { containers: [{ image: 'x' }], initContainers: {} }],
  ['ephemeralContainers as text', { containers: [{ image: 'x' }], ephemeralContainers: 'x' }],
  ['volumes as an object', { containers: [{ image: 'x' }], volumes: {} }],
  ['a volume that is text', { containers: [{ image: 'x' }], volumes: ['x'] }],
  ['an image volume as text', { containers: [{ image: 'x' }], volumes: [{ image: 'x' }] }],
  ['an image volume without reference', { containers: [{ image: 'x' }], volumes: [{ image: {} }] }],
  ['a spec that is a list', []],
  ['no spec', undefined],
  ['an image only on the prototype', { containers: [JSON.parse('{"__proto__": {"image": "x"}}')] }],
];
for (const [name, podSpec] of broken) {
  test(`${name} is a problem, not a skip`, () => assert.ok(read({ apiVersion: 'v1', kind: 'Pod', spec: podSpec }).problems.length > 0));
}

test('null lists are absent ones, as Go writes them', () => {
  assert.deepEqual(
    read({ apiVersion: 'v1', kind: 'Pod', spec: { containers: [{ image: 'x' }], initContainers: null, volumes: null } }).problems,
    [],
  );
});
