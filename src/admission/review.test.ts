import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { isWaybillError } from '../kernel/error.ts';
import { reviewAdmission, type ReviewContext } from './review.ts';
import { bad, entry, good, goodImage, host, known, now, other, otherImage, pod, policies, policy, review, snapshot } from './test-kit.ts';

const context: ReviewContext = {
  policies: policies({ namespaces: { dev: policy({ mode: 'warn' }), watched: policy({ mode: 'audit' }) } }),
  source: known(),
  now,
};
const badImage = `${host}/shop/shop@${bad}`;

async function ask(object: unknown, change: object = {}, given: Partial<ReviewContext> = {}) {
  return reviewAdmission(review(object, change), { ...context, ...given });
}

test('an image with papers is admitted, under the uid of the request', async () => {
  const { answer, record } = await ask(pod());
  assert.deepEqual(answer, {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: {
      uid: '705ab4f5-6393-11e8-b7cc-42010a800002',
      allowed: true,
      auditAnnotations: { decision: 'allow', scope: 'judged', digests: good },
    },
  });
  assert.deepEqual([record.user, record.namespace, record.name, record.digests], ['eve', 'prod', 'shop', [good]]);
});

test('a refusal is one paragraph with container, image, rule and the command that helps', async () => {
  const { response } = (await ask(pod(badImage))).answer;
  assert.deepEqual([response.allowed, response.status?.code, response.status?.reason], [false, 403, 'Forbidden']);
  for (const part of [/Pod shop in namespace prod/, /container "web"/, /nobody|no papers/, /\[papers\]/, /`waybill trace sha256:/])
    assert.match(response.status?.message ?? '', part);
  assert.doesNotMatch(response.status?.message ?? '', /\n/);
});

test('a refused pod names its Deployment', async () => {
  const metadata = {
    labels: { 'pod-template-hash': '7d9f' },
    ownerReferences: [
      { kind: 'Node', name: 'x' },
      { kind: 'ReplicaSet', name: 'shop-7d9f', controller: true },
    ],
  };
  const { answer } = await ask(pod('nginx', metadata));
  assert.match(answer.response.status?.message ?? '', /made by ReplicaSet shop-7d9f of Deployment shop\)/);
});

const hostile: [string, unknown][] = [
  ['a tag', `${host}/shop/shop:1.0`],
  ['spaces around it', ` ${goodImage} `],
  ['a space at the end', `${goodImage} `],
  ['a newline at the end', `${goodImage}\n`],
  ['upper case in the host', goodImage.replace('registry', 'Registry')],
  ['upper case in the repository', goodImage.replace('/shop/', '/Shop/')],
  ['upper case in the digest', `${host}/shop/shop@${good.toUpperCase().replace('SHA', 'sha')}`],
  ['two @', `${goodImage}@${good}`],
  ['a bad digest before a good one', `${host}/shop/shop@${bad}@${good}`],
  ['another algorithm', goodImage.replace('sha256', 'sha512')],
  ['a short digest', goodImage.slice(0, -1)],
  ['a long digest', `${goodImage}0`],
  ['the digest of another repository', `${host}/shop/shop@${other}`],
  ['a short name', `shop/shop@${good}`],
  ['a single name', `shop@${good}`],
  ['docker.io', `docker.io/shop/shop@${good}`],
  ['a longer host', `registry.example:5000.evil.com/shop/shop@${good}`],
  ['a user', `registry.example:5000@evil.com/shop/shop@${good}`],
  ['a user before the host', `eve@${goodImage}`],
  ['a scheme', `https://${goodImage}`],
  ['two slashes', goodImage.replace('/shop/', '//shop/')],
  ['a path that goes up', goodImage.replace('/shop/', '/x/../shop/')],
  ['percent encoding', goodImage.replace('/shop/', '%2fshop/')],
  ['a look-alike letter', goodImage.replace('shop/shop', 'shοp/shop')],
  ['a zero byte', `${goodImage}\u0000`],
  ['no port', goodImage.replace(':5000', '')],
  ['another port', goodImage.replace(':5000', ':5001')],
  ['nothing', ''],
  ['only a digest', `@${good}`],
  ['a text of a megabyte', 'a'.repeat(1_000_000)],
  ['a number', 42],
  ['an object', { toString: goodImage }],
];
for (const [name, image] of hostile) {
  test(`hostile image is denied: ${name}`, async () => {
    for (const object of [
      pod(image),
      { apiVersion: 'v1', kind: 'Pod', spec: { containers: [{ image: goodImage }], volumes: [{ image: { reference: image } }] } },
    ]) {
      const { answer } = await ask(object);
      assert.equal(answer.response.allowed, false);
      assert.ok((answer.response.status?.message ?? '').length < 4_100);
    }
  });
}

test('tag and digest together are pulled by the digest, and are admitted', async () => {
  assert.equal((await ask(pod(`${host}/shop/shop:1.0@${good}`))).answer.response.allowed, true);
});

test('of a key that stands twice the last value is judged, as the API server reads it', async () => {
  const twice = (a: string, b: string): unknown =>
    JSON.parse(`{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"image":"${a}","image":"${b}"}]}}`);
  assert.equal((await ask(twice(goodImage, badImage))).answer.response.allowed, false);
  assert.equal((await ask(twice(badImage, goodImage))).answer.response.allowed, true);
});

test('the namespace is the request’s, never the object’s', async () => {
  assert.equal((await ask(pod(badImage, { namespace: 'kube-system' }))).answer.response.allowed, false);
  const exempt = await ask(pod(badImage, { namespace: 'prod' }), { namespace: 'kube-system' });
  assert.deepEqual([exempt.answer.response.allowed, exempt.record.scope], [true, 'exempt']);
  assert.equal((await ask(pod(badImage), { namespace: 'constructor' })).answer.response.allowed, false);
  assert.equal((await ask(pod(badImage), { namespace: undefined })).answer.response.allowed, false);
});

test('an object that says another kind than the request is denied', async () => {
  const lied = await ask({ ...pod(badImage), kind: 'ConfigMap' }, { kind: { group: '', version: 'v1', kind: 'Pod' } });
  assert.equal(lied.answer.response.allowed, false);
  const hidden = await ask({ ...pod(badImage), kind: 'Pod' }, { kind: { group: '', version: 'v1', kind: 'ConfigMap' } });
  assert.equal(hidden.answer.response.allowed, false);
});

test('mode warn admits with warnings that the API server passes on, audit only records', async () => {
  const warned = (await ask(pod(badImage), { namespace: 'dev' })).answer.response;
  assert.deepEqual([warned.allowed, warned.status, warned.warnings?.length], [true, undefined, 1]);
  assert.ok((warned.warnings?.[0] ?? '').length <= 256);
  const watched = (await ask(pod(badImage), { namespace: 'watched' })).answer.response;
  assert.deepEqual([watched.allowed, watched.warnings, watched.auditAnnotations?.['rules']], [true, undefined, 'papers']);
});

test('an old snapshot warns, no snapshot denies', async () => {
  const late = new Date('2026-11-25T00:00:00Z');
  const old = (await ask(pod(), {}, { source: known(snapshot(), late), now: late })).answer.response;
  assert.equal(old.allowed, true);
  assert.match(old.warnings?.[0] ?? '', /should have been replaced/);
  const none = (await ask(pod(), {}, { source: { knowledge: async () => (await import('./snapshot-index.ts')).noKnowledge } })).answer
    .response;
  assert.equal(none.allowed, false);
  assert.match(none.status?.message ?? '', /never had a signed snapshot/);
});

test('a revoked digest is denied', async () => {
  const source = known(snapshot({ revoked: [{ digest: good, reason: 'CVE-2026-1' }] }));
  assert.match((await ask(pod(), {}, { source })).answer.response.status?.message ?? '', /revoked: CVE-2026-1/);
});

const update = { operation: 'UPDATE' };
test('an update that changes no image is not judged anew', async () => {
  const same = await ask(pod(badImage, { finalizers: [] }), { ...update, oldObject: pod(badImage, { finalizers: ['x'] }) });
  assert.deepEqual([same.answer.response.allowed, same.record.scope], [true, 'unchanged']);
});

const changes: [string, object, object, boolean][] = [
  ['another image', pod(badImage), pod(), false],
  ['a container more', two(goodImage, badImage), pod(), false],
  [
    'an ephemeral container more',
    { ...pod(), spec: { containers: [{ image: goodImage }], ephemeralContainers: [{ image: badImage }] } },
    pod(),
    false,
  ],
  ['images that change places', two(badImage, goodImage), two(goodImage, badImage), false],
  [
    'a good ephemeral container in a pod whose image became bad',
    { ...pod(), spec: { containers: [{ image: badImage }], ephemeralContainers: [{ image: goodImage }] } },
    pod(badImage),
    true,
  ],
  ['a container fewer', pod(), two(goodImage, badImage), true],
  ['no old object', pod(badImage), {}, false],
  ['an old object that cannot be read', pod(42), pod(42), false],
  ['a template of which one image is changed and another bad', template(otherImage, badImage), template(goodImage, badImage), false],
];
for (const [name, object, oldObject, allowed] of changes) {
  test(`update: ${name} → ${allowed ? 'allowed' : 'denied'}`, async () => {
    assert.equal((await ask(object, { ...update, oldObject })).answer.response.allowed, allowed);
  });
}

test('pods/ephemeralcontainers is judged like the pod it changes', async () => {
  const object = { ...pod(), spec: { containers: [{ image: goodImage }], ephemeralContainers: [{ name: 'debug', image: 'busybox' }] } };
  const { answer } = await ask(object, { ...update, subResource: 'ephemeralcontainers', oldObject: pod() });
  assert.equal(answer.response.allowed, false);
  assert.match(answer.response.status?.message ?? '', /ephemeralContainers\[0\]\.image \(container "debug"\)/);
});

for (const operation of ['DELETE', 'CONNECT']) {
  test(`${operation} starts no image and is allowed`, async () => {
    const { answer, record } = await ask(null, { operation, object: null, oldObject: pod(badImage) });
    assert.deepEqual([answer.response.allowed, record.scope], [true, 'operation']);
  });
}

const malformed: [string, (request: Record<string, unknown>) => unknown][] = [
  ['v1beta1', (request) => ({ apiVersion: 'admission.k8s.io/v1beta1', kind: 'AdmissionReview', request })],
  ['another kind', (request) => ({ apiVersion: 'admission.k8s.io/v1', kind: 'Pod', request })],
  ['an unknown operation', (request) => ({ ...review(pod()), request: { ...request, operation: 'create' } })],
  ['a kind that is text', (request) => ({ ...review(pod()), request: { ...request, kind: 'Pod' } })],
  ['a namespace that is a list', (request) => ({ ...review(pod()), request: { ...request, namespace: ['kube-system'] } })],
];
for (const [name, make] of malformed) {
  test(`a review with ${name} is denied under its uid`, async () => {
    const { answer } = await reviewAdmission(make({ ...review(pod()).request }), context);
    assert.deepEqual([answer.response.allowed, answer.response.uid], [false, '705ab4f5-6393-11e8-b7cc-42010a800002']);
  });
}
for (const nothing of [null, undefined, 3, 'x', [], {}, { request: {} }, { request: { uid: 7 } }, { request: { uid: '' } }]) {
  test(`there is no answer to ${JSON.stringify(nothing)}`, async () => {
    await assert.rejects(reviewAdmission(nothing, context), (error) => isWaybillError(error, 'INVALID_INPUT'));
  });
}

test('a hundred thousand containers and deep nesting end in a short answer', async () => {
  const many = {
    apiVersion: 'v1',
    kind: 'Pod',
    spec: { containers: Array.from({ length: 100_000 }, (_, n) => ({ name: `c${n}`, image: `evil.example/x${n}` })) },
  };
  const { answer } = await ask(many);
  assert.equal(answer.response.allowed, false);
  assert.ok(JSON.stringify(answer).length < 10_000);
  const deep = JSON.parse(`${'{"containers":['.repeat(100_000)}${']}'.repeat(100_000)}`) as unknown;
  for (const object of [
    pod(deep),
    { apiVersion: 'v1', kind: 'Pod', spec: deep },
    { apiVersion: 'x.example/v1', kind: 'X', spec: deep },
    { apiVersion: 'v1', kind: 'PodList', items: [deep] },
  ]) {
    assert.ok((await ask(object, { operation: 'UPDATE', oldObject: object })).answer.response.uid);
  }
});

// Texts that are likely to meet in objects, so that arbitrary JSON comes near to real ones.
const imageText = fc.oneof(fc.constantFrom(goodImage, otherImage, badImage, `${goodImage} `, 'nginx', `${host}/shop/shop:1`), fc.string());
const anything = fc.oneof(fc.jsonValue(), imageText);
const container = fc.oneof(
  { weight: 4, arbitrary: fc.record({ name: fc.string(), image: imageText }) },
  { weight: 1, arbitrary: fc.dictionary(fc.constantFrom('image', 'name', '__proto__'), anything) },
);
const list = fc.oneof({ weight: 4, arbitrary: fc.array(container, { maxLength: 3 }) }, { weight: 1, arbitrary: anything });
const podSpec = fc.record(
  {
    containers: list,
    initContainers: list,
    ephemeralContainers: list,
    volumes: fc.array(fc.record({ image: fc.record({ reference: imageText }) })),
  },
  { requiredKeys: [] },
);
const path = fc.constantFrom(
  ['spec'],
  ['template', 'spec'],
  ['spec', 'template', 'spec'],
  ['spec', 'jobTemplate', 'spec', 'template', 'spec'],
);
const kind = fc.record({
  group: fc.constantFrom('', 'apps', 'batch', 'x.example'),
  version: fc.constantFrom('v1', 'v2'),
  kind: fc.constantFrom('Pod', 'Deployment', 'CronJob', 'PodTemplate', 'List', 'PodList', 'Thing', 'toString'),
});
const object = fc.tuple(path, podSpec).map(([path, spec]) => path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), spec));

/** Every text under a key that a cluster reads an image from. Written apart from the code under test. */
function imagesIn(value: unknown, inside = false): unknown[] {
  if (Array.isArray(value)) return value.flatMap((item) => imagesIn(item, inside));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) => {
    if (inside && (key === 'image' || key === 'reference') && typeof child === 'string') return [child];
    return imagesIn(child, inside || ['containers', 'initContainers', 'ephemeralContainers', 'volumes'].includes(key));
  });
}

test('no object of a known shape is allowed with an image that has no papers, and nothing throws', async () => {
  const fine = new Set<unknown>([goodImage, otherImage]);
  await fc.assert(
    fc.asyncProperty(kind, object, fc.constantFrom('CREATE', 'UPDATE'), object, async (kind, object, operation, oldObject) => {
      const { answer, record } = await ask(object, { kind, operation, oldObject });
      if (!answer.response.allowed || record.scope !== 'judged' || record.verdict.decision !== 'allow') return;
      const old = new Set(operation === 'UPDATE' ? imagesIn(oldObject) : []);
      assert.deepEqual(
        imagesIn(object).filter((image) => !fine.has(image) && !old.has(image)),
        [],
      );
    }),
    { numRuns: 5_000 },
  );
});

test('no arbitrary JSON makes it throw anything but INVALID_INPUT, or is admitted as a Pod', async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), async (value) => {
      const { answer } = await ask(value, { kind: { group: '', version: 'v1', kind: 'Pod' } });
      assert.equal(answer.response.allowed, false);
      await assert.rejects(reviewAdmission(value, context), (error) => isWaybillError(error, 'INVALID_INPUT'));
    }),
    { numRuns: 1_000 },
  );
});

test('an image that passes in one text passes in no neighbouring text', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(goodImage.length),
      fc.string({ minLength: 1, maxLength: 3, unit: 'binary' }),
      fc.nat(2),
      async (at, text, cut) => {
        const image = goodImage.slice(0, at) + text + goodImage.slice(at + cut);
        // A tag before the digest is the one change that may pass.
        if (image === goodImage || /^registry\.example:5000\/shop\/shop:[A-Za-z0-9_][A-Za-z0-9._-]*@/.test(image)) return;
        assert.equal((await ask(pod(image))).answer.response.allowed, false, image);
      },
    ),
    { numRuns: 3_000 },
  );
});

function two(first: string, second: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    spec: {
      containers: [
        { name: 'a', image: first },
        { name: 'b', image: second },
      ],
    },
  };
}

function template(first: string, second: string): object {
  return { apiVersion: 'apps/v1', kind: 'Deployment', spec: { template: two(first, second) } };
}

test('the same digest from two repositories passes in both', async () => {
  const source = known(snapshot({ images: [entry(), entry({ repository: 'shop/twin' })] }));
  assert.equal((await ask(two(goodImage, goodImage.replace('shop/shop', 'shop/twin')), {}, { source })).answer.response.allowed, true);
});
