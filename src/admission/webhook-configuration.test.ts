import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWaybillError } from '../kernel/error.ts';
import { webhookConfiguration } from './webhook-configuration.ts';

type Webhook = {
  failurePolicy: string;
  rules: { apiGroups: string[]; resources: string[]; operations: string[] }[];
  namespaceSelector?: object;
  clientConfig: Record<string, unknown>;
};
const client = { url: 'https://127.0.0.1:8443/admit', caBundle: 'PEM' };

function webhook(change: object = {}): Webhook {
  const made = webhookConfiguration({
    client,
    exemptNamespaces: ['kube-system', 'waybill-system'],
    cluster: { major: 1, minor: 33 },
    ...change,
  });
  const [first] = (made as { webhooks: Webhook[] }).webhooks;
  assert.ok(first);
  return first;
}

test('it fails closed and covers everything that holds pods', () => {
  const made = webhook();
  assert.equal(made.failurePolicy, 'Fail');
  assert.deepEqual(
    made.rules.flatMap((rule) => rule.resources.map((resource) => `${rule.apiGroups.join()}/${resource}`)),
    [
      '/pods',
      '/pods/ephemeralcontainers',
      '/replicationcontrollers',
      '/podtemplates',
      'apps/deployments',
      'apps/replicasets',
      'apps/statefulsets',
      'apps/daemonsets',
      'batch/jobs',
      'batch/cronjobs',
    ],
  );
  for (const rule of made.rules) assert.deepEqual(rule.operations, ['CREATE', 'UPDATE']);
});

test('the only selector is on the name that the API server sets, where it does', () => {
  const selector = {
    matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system', 'waybill-system'] }],
  };
  assert.deepEqual(webhook().namespaceSelector, selector);
  assert.deepEqual(webhook({ cluster: { major: 1, minor: 21 } }).namespaceSelector, selector);
  assert.equal(webhook({ cluster: { major: 1, minor: 20 } }).namespaceSelector, undefined);
});

test('a service takes the place of the URL, and custom resources join', () => {
  const made = webhook({
    client: { service: { namespace: 'waybill-system', name: 'gate' }, caBundle: 'PEM' },
    customResources: [{ group: 'argoproj.io', resources: ['rollouts'] }],
  });
  assert.deepEqual(made.clientConfig, {
    service: { namespace: 'waybill-system', name: 'gate', path: '/admit', port: 443 },
    caBundle: 'UEVN',
  });
  assert.deepEqual(made.rules.at(-1)?.resources, ['rollouts']);
});

for (const url of ['http://127.0.0.1/admit', 'https://u:p@127.0.0.1/admit', 'https://127.0.0.1/admit?x', 'gate']) {
  test(`the URL ${url} is refused`, () =>
    assert.throws(
      () => webhook({ client: { ...client, url } }),
      (error) => isWaybillError(error, 'INVALID_INPUT'),
    ));
}
