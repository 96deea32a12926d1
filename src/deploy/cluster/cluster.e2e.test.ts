/* oxlint-disable no-console */
import assert from 'node:assert/strict';
import { execa } from 'execa';
import { createServer } from 'node:https';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { useCluster, useNamespace } from '../../../test/cluster.ts';
import { busyboxImage } from '../../../test/kit/busybox-image.ts';
import { isWaybillError } from '../../kernel/error.ts';
import { parseGitOid } from '../../kernel/git-oid.ts';
import { Secret } from '../../kernel/secret.ts';
import { connectCluster } from '../../kube/cluster.ts';
import { checkTarget } from '../contract.ts';
import { loadManifests } from '../manifests/load.ts';
import { stamp } from '../manifests/stamp.ts';
import { wirePullSecret } from '../manifests/wire-pull-secret.ts';
import { pullSecretName } from '../pull-secret.ts';
import { openClusterTarget } from './target.ts';

const image = `localhost/waybill-e2e-${process.pid}:1`;
const commit = parseGitOid('1234567890123456789012345678901234567890');

async function useTarget(t: TestContext, pods: boolean) {
  const place = await useCluster(t);
  if (!place) return undefined;
  if (pods && (!place.node || !place.importImage)) {
    console.warn(`SKIPPED: ${t.name}: no node into which an image can be put`);
    t.skip('no node into which an image can be put');
    return undefined;
  }
  if (pods) await place.importImage?.(await busyboxImage(t, image));
  const namespace = await useNamespace(t, place.cluster);
  const target = openClusterTarget(await connectCluster({ kubeconfig: place.kubeconfig }), namespace);
  t.after(() => target[Symbol.asyncDispose]());
  const rendered = (yaml: string, run: number) =>
    stamp(wirePullSecret(loadManifests(new Map([['deploy/all.yaml', yaml]])), pullSecretName), {
      run,
      commit,
      repository: 'shop',
      environment: { name: 'staging', namespace },
    }).map((entry) => entry.object);
  return { ...place, namespace, target, rendered };
}

const web = (script: string, more = '') => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 1
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: web
          image: ${image}
          imagePullPolicy: IfNotPresent
          command: [/bin/sh, -c, "${script}"]
          envFrom: [{ configMapRef: { name: conf } }]
          ports: [{ containerPort: 8080 }]
          readinessProbe: { periodSeconds: 1, httpGet: { path: /, port: 8080 } }
${more}
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: conf }
data: { ANSWER: one }
`;
const serve = 'mkdir /www; echo $ANSWER > /www/index.html; httpd -f -p 8080 -h /www';
const pullSecret = { registry: '127.0.0.1:1', username: 'puller', password: new Secret('hunter2') };

test('the contract of a target: releases replace each other, and a broken one changes nothing', async (t) => {
  const place = await useTarget(t, true);
  if (!place) return;
  const { target, rendered, namespace, cluster } = place;
  const releases = {
    one: rendered(web(serve), 1),
    two: rendered(web(serve).replace('ANSWER: one', 'ANSWER: two'), 2),
    broken: rendered(web('echo no such table; exit 3'), 3),
  };
  const lines = await checkTarget(target, releases, pullSecret);
  assert.deepEqual(lines.slice(0, 4), [
    'Secret waybill-pull applied',
    'ConfigMap conf applied',
    'Service web applied',
    'Deployment web applied',
  ]);
  const secret = await cluster.get({ apiVersion: 'v1', kind: 'Secret', name: pullSecretName, namespace });
  assert.equal(secret?.['type'], 'kubernetes.io/dockerconfigjson');
  assert.deepEqual(await target.remove({}), ['Secret waybill-pull']);
});

test('a pod that cannot start says why: pull, node, configuration, probe; a Job can be run again', async (t) => {
  const place = await useTarget(t, true);
  if (!place) return;
  const { target, rendered } = place;
  const rows: [string, RegExp][] = [
    [
      web(serve).replace(image, '127.0.0.1:9/none@sha256:' + 'a'.repeat(64)),
      /cannot pull 127\.0\.0\.1:9\/none@sha256:a+: .*connection refused/,
    ],
    [
      web(serve).replace('IfNotPresent', 'Never').replace(image, 'localhost/none:1'),
      /cannot pull localhost\/none:1: .*not present with pull policy of Never/,
    ],
    [web(serve, '      nodeSelector: { disk: none }'), /finds no node: 0\/1 nodes are available/],
    [web(serve).replace('name: conf }', 'name: gone }'), /cannot be started: configmaps? "gone" not found/],
    [web(serve).replace('path: /,', 'path: /missing,'), /runs but is not ready: Readiness probe failed: .*404/],
  ];
  let run = 20;
  for (const [yaml, pattern] of rows) {
    const applied = await target.apply(rendered(yaml, run++), {});
    // The kubelet comes to its reason in its own time: asked again until it has, or a minute is over.
    const until = Date.now() + 60_000;
    let why: string;
    do {
      const outcome = await target.waitReady(applied, { timeoutMs: 4_000 });
      assert.ok(!outcome.ready);
      why = outcome.why;
    } while (!pattern.test(why) && Date.now() < until);
    assert.match(why, pattern);
    await target.remove({});
  }
  const job = (text: string) =>
    `apiVersion: batch/v1\nkind: Job\nmetadata: { name: migrate }\nspec:\n  backoffLimit: 0\n  template:\n    spec:\n      restartPolicy: Never\n      containers: [{ name: m, image: "${image}", command: [/bin/sh, -c, "${text}"] }]\n`;
  const first = await target.waitReady(await target.apply(rendered(job('exit 0'), 30), {}), { timeoutMs: 60_000 });
  assert.ok(first.ready, JSON.stringify(first));
  const second = await target.waitReady(await target.apply(rendered(job('echo boom; exit 4'), 31), {}), { timeoutMs: 60_000 });
  assert.ok(!second.ready);
  assert.match(second.why, /^Job migrate is not ready: .*exit code 4; its last lines:\nboom/s);
});

test('a denial reaches the reader in the words of the gate, and leaves nothing half done', async (t) => {
  const place = await useTarget(t, false);
  if (!place) return;
  const { target, rendered, cluster, namespace } = place;
  const message = 'image shop has no papers: `review` is missing. Merge it through Waybill.';
  const gate = await useGate(t, message);
  const webhook = (resources: string[]) => ({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: namespace },
    webhooks: [
      {
        name: 'gate.waybill.dev',
        clientConfig: { url: gate.url, caBundle: gate.ca.toString('base64') },
        rules: [{ apiGroups: ['', 'apps'], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources }],
        namespaceSelector: { matchLabels: { gated: namespace } },
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        failurePolicy: 'Fail',
        timeoutSeconds: 5,
      },
    ],
  });
  t.after(() => cluster.delete({ apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingWebhookConfiguration', name: namespace }));
  const by = { fieldManager: 'test', force: true };
  await cluster.serverSideApply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels: { gated: namespace } } }, by);
  await cluster.serverSideApply(webhook(['pods']), by);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const applied = await target.apply(rendered(web(serve), 1), {});
  const outcome = await target.waitReady(applied, { timeoutMs: 60_000 });
  assert.ok(!outcome.ready);
  assert.match(
    outcome.why,
    /^Deployment web is not ready: the cluster refused its pods: admission webhook "gate\.waybill\.dev" denied the request: /,
  );
  assert.ok(outcome.why.endsWith(message), outcome.why);
  await target.remove({});

  await cluster.serverSideApply(webhook(['deployments']), by);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await assert.rejects(
    target.apply(rendered(web(serve), 2), {}),
    (error) =>
      isWaybillError(error, 'ADMISSION_DENIED') && error.detail === `admission webhook "gate.waybill.dev" denied the request: ${message}`,
  );
  assert.equal(await cluster.get({ apiVersion: 'v1', kind: 'ConfigMap', name: 'conf', namespace }), undefined, 'the dry run came first');
});

async function useGate(t: TestContext, message: string) {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-gate-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  await execa('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '2', ...subject]);
  const ca = await readFile(cert);
  const server = createServer({ key: await readFile(key), cert: ca }, (request, response) => {
    void (async () => {
      let text = '';
      for await (const chunk of request) text += String(chunk);
      const review = JSON.parse(text) as { request: { uid: string } };
      response.setHeader('content-type', 'application/json');
      const answer = { uid: review.request.uid, allowed: false, status: { code: 403, message } };
      response.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: answer }));
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => void (server.closeAllConnections(), server.close()));
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return { url: `https://127.0.0.1:${address.port}/`, ca };
}
