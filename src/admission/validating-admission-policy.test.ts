import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Environment } from '@marcbachmann/cel-js';
import { bad, goodImage, host, pod, policies, policy } from './test-kit.ts';
import { validatingAdmissionPolicies } from './validating-admission-policy.ts';

type Policy = {
  kind: string;
  metadata: { name: string };
  spec: {
    matchConditions: { expression: string }[];
    variables: { name: string; expression: string }[];
    validations: { expression: string; messageExpression: string }[];
    validationActions: string[];
  };
};

const environment = new Environment({ unlistedVariablesAreDyn: true });
environment.registerFunction('list.join(string): string', (list: unknown[], by: string) => list.join(by));
const all = validatingAdmissionPolicies(
  policies({
    namespaces: {
      dev: policy({ mode: 'warn', registry: ['dev.example/team'] }),
      tried: policy({ mode: 'audit' }),
      copied: policy({ copies: [{ registry: 'c.example/team', naming: 'path' }] }),
    },
  }),
) as Policy[];

/** What the API server does: conditions first, variables when they are asked for. */
function evaluate(name: string, object: object, oldObject: object | null = null, namespace = 'prod'): 'skipped' | 'allowed' | string {
  const found = all.find((one) => one.kind === 'ValidatingAdmissionPolicy' && one.metadata.name === name);
  assert.ok(found);
  const given = { object, oldObject, request: { operation: oldObject ? 'UPDATE' : 'CREATE', namespace } };
  if (!found.spec.matchConditions.every((condition) => environment.evaluate(condition.expression, given) === true)) return 'skipped';
  const variables: Record<string, unknown> = {};
  for (const { name, expression } of found.spec.variables) {
    if (name.startsWith('old') && !oldObject) continue;
    variables[name] = environment.evaluate(expression, { ...given, variables });
  }
  for (const { expression, messageExpression } of found.spec.validations) {
    if (environment.evaluate(expression, { ...given, variables }) !== true)
      return String(environment.evaluate(messageExpression, { ...given, variables }));
  }
  return 'allowed';
}

const template = (image: unknown) => ({ template: { spec: { containers: [{ image }] } } });
const allowed: [string, object][] = [
  ['a pod', pod()],
  ['a pod of an image without papers: those are asked for by the gate', pod(goodImage.slice(0, -64) + bad.slice(7))],
  ['a tag beside the digest', pod(goodImage.replace('@', ':1.0@'))],
  ['a Deployment', { kind: 'Deployment', spec: template(goodImage) }],
  ['a CronJob', { kind: 'CronJob', spec: { jobTemplate: { spec: template(goodImage) } } }],
  ['a PodTemplate', { kind: 'PodTemplate', ...template(goodImage) }],
  [
    'an image volume',
    { kind: 'Pod', spec: { containers: [{ image: goodImage }], volumes: [{ emptyDir: {} }, { image: { reference: goodImage } }] } },
  ],
];
for (const [name, object] of allowed)
  test(`compiled rule allows ${name}`, () => assert.equal(evaluate('waybill-images', object), 'allowed'));

test('compiled rule allows the place of copies where the policy names it, and nothing beside it', () => {
  const copy = goodImage.replace(host, 'c.example/team');
  const judge = (image: string) => evaluate('waybill-images.copied', pod(image), null, 'copied');
  assert.equal(judge(copy), 'allowed');
  assert.equal(judge(goodImage), 'allowed');
  assert.match(judge(copy.replace('/team', '/other')), /denies/);
  assert.match(evaluate('waybill-images', pod(copy)), /denies/);
});

const denied: [string, object][] = [
  ['a tag', pod(`${host}/shop/shop:1`)],
  ['a short name', pod(goodImage.slice(host.length + 1))],
  ['a longer host', pod(goodImage.replace(':5000', ':5000.evil.com'))],
  ['a host where the dot is another letter', pod(goodImage.replace('registry.', 'registryx'))],
  ['a newline at the end', pod(`${goodImage}\n`)],
  ['a space before', pod(` ${goodImage}`)],
  ['two digests', pod(`${goodImage}@${bad}`)],
  ['no image', { kind: 'Pod', spec: { containers: [{ name: 'x' }] } }],
  ['a bad init container', { kind: 'Pod', spec: { containers: [{ image: goodImage }], initContainers: [{ image: 'x' }] } }],
  ['a bad ephemeral container', { kind: 'Pod', spec: { containers: [{ image: goodImage }], ephemeralContainers: [{ image: 'x' }] } }],
  ['a bad image volume', { kind: 'Pod', spec: { containers: [{ image: goodImage }], volumes: [{ image: { reference: 'x' } }] } }],
  ['a bad Deployment', { kind: 'Deployment', spec: template('x') }],
  ['a bad CronJob', { kind: 'CronJob', spec: { jobTemplate: { spec: template('x') } } }],
  ['a bad PodTemplate', { kind: 'PodTemplate', ...template('x') }],
];
for (const [name, object] of denied) {
  test(`compiled rule denies ${name}`, () =>
    assert.match(evaluate('waybill-images', object), /^Waybill denies it: each image must come from registry\.example:5000/));
}

test('an update that changes no image passes, one that does is judged', () => {
  assert.equal(evaluate('waybill-images', pod('x'), pod('x')), 'allowed');
  assert.match(evaluate('waybill-images', pod('y'), pod('x')), /denies/);
});

test('each namespace has one policy, and exempt ones none', () => {
  assert.equal(evaluate('waybill-images', pod('x'), null, 'kube-system'), 'skipped');
  assert.equal(evaluate('waybill-images', pod('x'), null, 'dev'), 'skipped');
  assert.equal(evaluate('waybill-images.dev', pod('x'), null, 'prod'), 'skipped');
  assert.match(evaluate('waybill-images.dev', pod(), null, 'dev'), /dev\.example\/team/);
  assert.equal(evaluate('waybill-images.dev', pod(goodImage.replace(`${host}/shop`, 'dev.example/team')), null, 'dev'), 'allowed');
  assert.match(evaluate('waybill-images.dev', pod(goodImage.replace(`${host}/shop`, 'dev.example/teamster')), null, 'dev'), /denies/);
});

test('the binding acts as the mode says', () => {
  const actions = all.filter((one) => one.kind.endsWith('Binding')).map((one) => one.spec.validationActions);
  assert.deepEqual(actions, [['Deny'], ['Deny'], ['Warn', 'Audit'], ['Audit']]);
});
