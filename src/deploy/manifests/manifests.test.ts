import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWaybillError, type WaybillError } from '../../kernel/error.ts';
import { parseGitOid } from '../../kernel/git-oid.ts';
import { podSpecOf } from '../../kube/kinds.ts';
import { textsAt, valueAt } from '../../kube/object.ts';
import { loadManifests } from './load.ts';
import { manifestDigest } from './manifest-digest.ts';
import { imagesOf, nameOf, rewriteImages } from './rewrite-images.ts';
import { stamp } from './stamp.ts';
import { wirePullSecret } from './wire-pull-secret.ts';

const load = (text: string, path = 'deploy/a.yaml') => loadManifests(new Map([[path, text]]));
const fails = (code: WaybillError['code'], pattern: RegExp) => (error: unknown) =>
  isWaybillError(error, code) && pattern.test(error.detail);
const deployment = (image: string, more = '') =>
  `apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: web }\nspec: { template: { spec: { containers: [{ name: web, image: "${image}" }]${more} } } }\n`;
const digest = `sha256:${'a'.repeat(64)}`;
const pinned = `127.0.0.1:5000/shop/shop@${digest}`;

test('documents keep their file and line, lists are taken apart, other files are left alone', () => {
  const text =
    '# hello\n---\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n---\n\napiVersion: v1\nkind: List\nitems:\n  - { apiVersion: v1, kind: Secret, metadata: { name: b } }\n';
  const loaded = loadManifests(
    new Map([
      ['z/b.yml', text],
      ['README.md', '# no'],
      ['a.json', '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"}}'],
    ]),
  );
  assert.deepEqual(
    loaded.map(({ object, file, line }) => [object.kind, file, line]),
    [
      ['Pod', 'a.json', 1],
      ['ConfigMap', 'z/b.yml', 4],
      ['Secret', 'z/b.yml', 9],
    ],
  );
});

test('values mean what they mean to Kubernetes', () => {
  const [loaded] = load(
    'apiVersion: v1\nkind: X\nmetadata: { name: a }\nv: { mode: 0644, x: yes, date: 2024-01-01, time: 12:30, quoted: "0644", merge: { <<: { a: 1 }, b: 2 } }\n',
  );
  assert.deepEqual(loaded?.object['v'], {
    mode: 420,
    x: true,
    date: '2024-01-01',
    time: '12:30',
    quoted: '0644',
    merge: { a: 1, b: 2 },
  });
});

test('what is not plain manifests is refused with its place', () => {
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghij'
    .split('')
    .map(
      (name, i) =>
        `${name}: &${name} [${Array(9)
          .fill(`*${'abcdefghi'[i] ?? ''}`)
          .join(',')}]`,
    )
    .join('\n')}\n`;
  const rows: [Record<string, string>, WaybillError['code'], RegExp][] = [
    [{ 'd/kustomization.yaml': 'x' }, 'UNSUPPORTED', /^d\/kustomization\.yaml: a kustomization is not supported yet by this version/],
    [{ 'd/Kustomization': 'x' }, 'UNSUPPORTED', /kustomization/],
    [{ 'chart/Chart.yaml': 'x', 'chart/templates/a.yaml': '{{ x }}' }, 'UNSUPPORTED', /a Helm chart/],
    [{ 'a.yaml': 'apiVersion: v1\nkind: Pod\nmetadata: {}\n' }, 'INVALID_INPUT', /^a\.yaml:1: this is no Kubernetes object/],
    [{ 'a.yaml': 'apiVersion: v1\nkind: Pod\nmetadata: { name: 3 }\n' }, 'INVALID_INPUT', /^a\.yaml:1:/],
    [{ 'a.yaml': '- a\n- b\n' }, 'INVALID_INPUT', /^a\.yaml:1:/],
    [{ 'a.yaml': 'a: b\n---\nx: {{ template }}\n' }, 'INVALID_INPUT', /^a\.yaml:[123]:/],
    [{ 'a.yaml': 'a: 1\na: 2\n' }, 'INVALID_INPUT', /^a\.yaml:2: Map keys must be unique/],
    [{ 'a.yaml': 'apiVersion: v1\nkind: X\nmetadata: { name: a, __proto__: { x: 1 } }\n' }, 'INVALID_INPUT', /__proto__/],
    [
      { 'a.yaml': deployment('a') + '---\n' + deployment('b') },
      'INVALID_INPUT',
      /^a\.yaml:6: Deployment web is there already, at a\.yaml:1/,
    ],
    [{ 'a.yaml': `${'['.repeat(5000)}` }, 'INVALID_INPUT', /^a\.yaml:/],
    [{ 'a.yaml': bomb }, 'INVALID_INPUT', /^a\.yaml:1:/],
    [{ 'a.yaml': `x: ${'y'.repeat(1024 * 1024)}` }, 'LIMIT_EXCEEDED', /larger than 1 MiB/],
    [{ 'a.yaml': 'a: 1\ndata: { y: 2 }\n' }, 'INVALID_INPUT', /^a\.yaml:2: the key y means true/],
    [{ 'README.md': 'x' }, 'INVALID_INPUT', /hold no object/],
    [Object.fromEntries(Array.from({ length: 501 }, (_, i) => [`${i}.yaml`, ''])), 'LIMIT_EXCEEDED', /500 files/],
  ];
  for (const [files, code, pattern] of rows)
    assert.throws(() => loadManifests(new Map(Object.entries(files))), fails(code, pattern), String(pattern));
});

test('references are rewritten wherever a pod template names them, and only those', () => {
  const rows: [string, string][] = [
    ['shop', pinned],
    ['shop:1.2', pinned],
    [`shop@${digest}`, pinned],
    [`shop:1@sha256:${'b'.repeat(64)}`, pinned],
    ['shop2', 'shop2'],
    ['docker.io/library/shop', 'docker.io/library/shop'],
    ['localhost:5000/shop', 'localhost:5000/shop'],
  ];
  for (const [image, expected] of rows) {
    const others = load(
      deployment(image) + '---\napiVersion: v1\nkind: Pod\nmetadata: { name: p }\nspec: { containers: [{ image: shop }] }\n',
    );
    assert.deepEqual(imagesOf(rewriteImages(others, { shop: pinned })), [...new Set([expected, pinned])]);
  }
  const everywhere = load(
    'apiVersion: batch/v1\nkind: CronJob\nmetadata: { name: c }\nspec: { jobTemplate: { spec: { template: { spec: { initContainers: [{ image: a }], containers: [{ image: b }], ephemeralContainers: [{ image: c }], volumes: [{ name: v, image: { reference: d } }, { name: e }] } } } } }\n',
  );
  const map = Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [name, `registry.test/${name}@${digest}`]));
  assert.deepEqual(imagesOf(rewriteImages(everywhere, map)), Object.values(map));
  assert.deepEqual(imagesOf(everywhere), ['a', 'b', 'c', 'd'], 'the input is left as it was');
  assert.equal(nameOf('localhost:5000/a/b'), 'localhost:5000/a/b');
});

test('a key that nothing uses, and a reference that is not pinned, are refused', () => {
  const loaded = load(deployment('shop2'));
  assert.throws(
    () => rewriteImages(loaded, { shop: pinned }),
    fails('INVALID_INPUT', /^no pod template in deploy\/a\.yaml uses the image `shop`$/),
  );
  for (const reference of ['shop', 'shop:1', `shop@sha256:${'a'.repeat(63)}`, `x y@${digest}`, `@${digest}`])
    assert.throws(() => rewriteImages(load(deployment('shop')), { shop: reference }), fails('INVALID_INPUT', /no reference with a digest/));
});

test('the pull secret is added once to every pod template', () => {
  const loaded = load(
    deployment('a', ', imagePullSecrets: [{ name: other }]') + '---\napiVersion: v1\nkind: Service\nmetadata: { name: web }\n',
  );
  const wired = wirePullSecret(wirePullSecret(loaded, 'waybill-pull'), 'waybill-pull');
  const spec = wired[0] && podSpecOf(wired[0].object);
  assert.deepEqual(spec?.['imagePullSecrets'], [{ name: 'other' }, { name: 'waybill-pull' }]);
  assert.deepEqual(wired[1]?.object, loaded[1]?.object);
});

const by = {
  run: 12,
  commit: parseGitOid('1234567890123456789012345678901234567890'),
  repository: 'shop',
  environment: { name: 'staging', namespace: 'shop-staging' },
};

test('a stamp marks object and pod template, keeps what is there, and sets the namespace', () => {
  const [marked] = stamp(
    load(deployment('a').replace('{ name: web }', '{ name: web, labels: { a: b }, annotations: { waybill.dev/run: forged } }')),
    by,
  );
  assert.equal(marked?.object.metadata.namespace, 'shop-staging');
  assert.deepEqual(marked?.object.metadata.labels, { a: 'b', 'app.kubernetes.io/managed-by': 'waybill' });
  for (const path of [
    ['metadata', 'annotations'],
    ['spec', 'template', 'metadata', 'annotations'],
  ])
    assert.deepEqual(textsAt(marked?.object, ...path), {
      'waybill.dev/run': '12',
      'waybill.dev/commit': by.commit,
      'waybill.dev/repository': 'shop',
      'waybill.dev/environment': 'staging',
    });
  assert.equal(valueAt(marked?.object, 'spec', 'template', 'metadata', 'labels', 'app.kubernetes.io/managed-by'), 'waybill');
});

test('nothing leaves the namespace of its environment', () => {
  const rows: [string, RegExp][] = [
    [
      'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a, namespace: kube-system }',
      /^deploy\/a\.yaml:1: ConfigMap a names the namespace kube-system/,
    ],
    ['apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a, namespace: "" }', /names the namespace/],
    ['apiVersion: v1\nkind: Namespace\nmetadata: { name: a }', /Namespace a belongs to the whole cluster/],
    ['apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: { name: a }', /belongs to the whole cluster/],
    ['apiVersion: rbac.authorization.k8s.io/v1beta1\nkind: ClusterRole\nmetadata: { name: a }', /belongs to the whole cluster/],
  ];
  for (const [text, pattern] of rows) assert.throws(() => stamp(load(text), by), fails('INVALID_INPUT', pattern));
  stamp(load('apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a, namespace: shop-staging }'), by);
});

test('the digest depends on what is applied, not on how it is written', () => {
  const one = manifestDigest(load('apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\ndata: { x: "1", "y": "2" }'));
  const two = manifestDigest(
    load('{ "data": { "y": "2", "x": "1" }, "kind": "ConfigMap", "metadata": { "name": "a" }, "apiVersion": "v1" }', 'b.json'),
  );
  assert.equal(one, two);
  assert.notEqual(one, manifestDigest(load('apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\ndata: { x: "1", "y": "3" }')));
});
