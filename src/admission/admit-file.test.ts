import assert from 'node:assert/strict';
import { test } from 'node:test';
import { admitFile, type AdmitFileContext } from './admit-file.ts';
import { goodImage, known, now, policies, policy } from './test-kit.ts';

const context: AdmitFileContext = {
  policies: policies({ namespaces: { dev: policy({ mode: 'warn' }) } }),
  source: known(),
  now,
  namespace: 'prod',
};
const admit = (text: string) => admitFile(text, 'deploy/shop.yaml', context);

test('each document has a verdict of its own, with file and line', async () => {
  const verdicts = await admit(`# the shop
apiVersion: v1
kind: Service
metadata: { name: shop }
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop
spec:
  template:
    spec:
      containers:
        - name: web
          image: ${goodImage}
        - name: sidecar
          image: nginx:1.27
---
---
apiVersion: v1
kind: Pod
metadata: { name: p, namespace: dev }
spec: { containers: [{ name: x, image: nginx }] }
`);
  assert.deepEqual(
    verdicts.map((one) => [one.place, one.subject, one.verdict.decision, ...one.findings.map((finding) => finding.place)]),
    [
      ['deploy/shop.yaml:2', 'Service shop in namespace prod', 'allow'],
      ['deploy/shop.yaml:6', 'Deployment shop in namespace prod', 'deny', 'deploy/shop.yaml:17'],
      ['deploy/shop.yaml:20', 'Pod p in namespace dev', 'warn', 'deploy/shop.yaml:23'],
    ],
  );
  assert.match(
    verdicts[1]?.text ?? '',
    /^Waybill denies Deployment shop in namespace prod \(deploy\/shop\.yaml:6\): .*container "sidecar"/,
  );
});

test('JSON is read too, and a List is judged item by item, each in its own namespace', async () => {
  const item = (namespace: string) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace },
    spec: { containers: [{ image: 'nginx' }] },
  });
  const list = { apiVersion: 'v1', kind: 'List', metadata: { namespace: 'kube-system' }, items: [item('prod'), item('dev')] };
  assert.deepEqual(
    (await admit(JSON.stringify(list, null, 2))).map((one) => one.verdict.decision),
    ['deny', 'warn'],
  );
});

test('anchors and merge keys are followed', async () => {
  const [verdict] = await admit(`apiVersion: v1
kind: Pod
metadata: { name: p }
x: &base
  image: nginx
spec:
  containers:
    - <<: *base
      name: web
`);
  assert.equal(verdict?.verdict.decision, 'deny');
  assert.match(verdict?.text ?? '', /"nginx"/);
});

const pod = `apiVersion: v1\nkind: Pod\nspec: { containers: [{ image: "${goodImage}" }] }\n`;
const refused: [string, string][] = [
  ['a key that stands twice', `apiVersion: v1\nkind: Pod\nspec:\n  containers:\n    - image: nginx\n      image: ${goodImage}\n`],
  ['a key that stands twice in JSON', `{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"image":"nginx","image":"${goodImage}"}]}}`],
  ['no YAML', 'apiVersion: [v1\nkind: }'],
  ['text', 'hello'],
  ['a list', '- apiVersion: v1'],
  ['no kind', 'apiVersion: v1\nspec: {}'],
  [
    'an alias bomb',
    `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n${pod}`,
  ],
  ['deep nesting', '['.repeat(20_000)],
  ['nine megabytes', '#'.repeat(9 * 1024 * 1024)],
];
for (const [name, text] of refused) {
  test(`${name} is denied`, async () => {
    const verdicts = await admit(text);
    assert.ok(verdicts.length > 0 && verdicts.every((one) => one.verdict.decision === 'deny'), JSON.stringify(verdicts).slice(0, 500));
    assert.match(verdicts[0]?.place ?? '', /^deploy\/shop\.yaml:\d+$/);
  });
}

test('an empty file has no verdict', async () => assert.deepEqual(await admit('# nothing\n'), []));
