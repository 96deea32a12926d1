import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWaybillError } from '../kernel/error.ts';
import { Secret } from '../kernel/secret.ts';
import { failureOf } from './failure.ts';
import { isClusterScoped, podSpecOf, podTemplatePath } from './kinds.ts';
import { loadKubeconfig } from './kubeconfig.ts';

const kubeconfig = (cluster: string, user: string) => `
apiVersion: v1
kind: Config
current-context: a
contexts: [{ name: a, context: { cluster: c, user: u } }]
clusters: [{ name: c, cluster: { ${cluster} } }]
users: [{ name: u, user: { ${user} } }]
`;
const server = 'server: "https://127.0.0.1:6443"';

test('a sealed kubeconfig may not reach for files and programs of this host', async () => {
  const rows: [string, string, RegExp][] = [
    [server, 'exec: { apiVersion: client.authentication.k8s.io/v1, command: /bin/sh, args: [-c, id] }', /users\[\]\.user\.exec/],
    [server, 'auth-provider: { name: gcp, config: { cmd-path: /bin/sh } }', /auth-provider/],
    [server, 'tokenFile: /etc/shadow', /tokenFile/],
    [server, 'client-key: /etc/shadow', /client-key/],
    [`${server}, certificate-authority: /etc/shadow`, 'token: t', /certificate-authority/],
    [`${server}, insecure-skip-tls-verify: true`, 'token: t', /TLS verification/],
    ['server: "http://127.0.0.1:6443"', 'token: t', /not https/],
    ['{', 'token: hunter2', /not valid YAML/],
  ];
  for (const [cluster, user, pattern] of rows)
    await assert.rejects(
      loadKubeconfig(new Secret(kubeconfig(cluster, user))),
      (error) => isWaybillError(error, 'INVALID_INPUT') && pattern.test(error.detail) && !error.detail.includes('hunter2'),
      user,
    );
  await loadKubeconfig(new Secret(kubeconfig(server, 'token: t')));
  await assert.rejects(loadKubeconfig(new Secret(kubeconfig(server, 'token: t')), 'b'), /no context "b"/);
  await assert.rejects(loadKubeconfig('/nonexistent/kubeconfig'), /cannot be read/);
});

test('the message of the API server goes through unchanged, and a denial is told apart', () => {
  const status = (message: string, reason = '') => JSON.stringify({ kind: 'Status', apiVersion: 'v1', message, reason });
  const denial = 'admission webhook "gate.waybill.dev" denied the request: no papers.\n  ☂ run `waybill trace`';
  const rows: [number, string, string, string][] = [
    [403, status(denial), 'ADMISSION_DENIED', denial],
    [
      400,
      status('admission webhook "x" denied the request without explanation'),
      'ADMISSION_DENIED',
      'admission webhook "x" denied the request without explanation',
    ],
    [
      422,
      status("pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"),
      'ADMISSION_DENIED',
      "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
    ],
    [
      500,
      status('Internal error occurred: failed calling webhook "gate": connection refused'),
      'CLUSTER_FAILED',
      'Internal error occurred: failed calling webhook "gate": connection refused',
    ],
    [403, status('pods is forbidden: User "x" cannot create'), 'CLUSTER_FAILED', 'pods is forbidden: User "x" cannot create'],
    [404, status('not found'), 'NOT_FOUND', 'not found'],
    [409, status('conflict'), 'CONFLICT', 'conflict'],
    [422, status('spec.selector: Required value'), 'INVALID_INPUT', 'spec.selector: Required value'],
    [502, '<html>bad gateway</html>', 'CLUSTER_FAILED', 'HTTP 502: <html>bad gateway</html>'],
  ];
  for (const [code, body, expected, detail] of rows) {
    const error = failureOf(code, body);
    assert.deepEqual([error.code, error.detail], [expected, detail]);
  }
});

test('kinds: where pod templates are, and what has no namespace', () => {
  assert.deepEqual(podTemplatePath({ apiVersion: 'v1', kind: 'Pod' }), []);
  assert.deepEqual(podTemplatePath({ apiVersion: 'batch/v1beta1', kind: 'CronJob' }), ['spec', 'jobTemplate', 'spec', 'template']);
  assert.equal(podTemplatePath({ apiVersion: 'example.com/v1', kind: 'Deployment' }), undefined);
  assert.equal(podTemplatePath({ apiVersion: 'constructor', kind: 'x' }), undefined);
  assert.deepEqual(
    podSpecOf({ apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { name: 'x' }, spec: { template: { spec: { a: 1 } } } }),
    { a: 1 },
  );
  assert.equal(isClusterScoped({ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole' }), true);
  assert.equal(isClusterScoped({ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role' }), false);
});
