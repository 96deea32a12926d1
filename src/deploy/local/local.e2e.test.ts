/* oxlint-disable no-console */
import assert from 'node:assert/strict';
import { execa } from 'execa';
import { once } from 'node:events';
import { cp, mkdtemp, mkdir, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { WaybillError, isWaybillError } from '../../kernel/error.ts';
import { parseDigest } from '../../kernel/digest.ts';
import { startTestRegistry } from '../../registry/registry.fixture.ts';
import { parseGitOid } from '../../kernel/git-oid.ts';
import { Secret } from '../../kernel/secret.ts';
import { loadManifests } from '../manifests/load.ts';
import { stamp } from '../manifests/stamp.ts';
import { checkTarget } from '../contract.ts';
import type { Target } from '../port.ts';
import { openLocalTarget } from './target.ts';

const image = `localhost/waybill-test-${process.pid}:1`;
const env = { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '/root' };
let missing: string | undefined;
let folder = '';

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waybill-local-'));
  const root = await mkdtemp(join(tmpdir(), 'waybill-busybox-'));
  try {
    await mkdir(join(root, 'bin'));
    await cp('/bin/busybox', join(root, 'bin/busybox'), { dereference: true });
    for (const name of ['sh', 'httpd', 'sleep', 'cat', 'echo', 'mkdir', 'id', 'test']) await symlink('busybox', join(root, 'bin', name));
    const tar = execa('tar', ['-C', root, '-c', '.'], { encoding: 'buffer' });
    await execa('podman', ['import', '-', image], { input: (await tar).stdout });
  } catch (error) {
    missing = `podman and a static busybox are needed: ${String(error).split('\n')[0] ?? ''}`;
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});

after(async () => {
  if (missing === undefined) await execa('podman', ['rmi', '--force', image]);
  await rm(folder, { recursive: true, force: true });
});

async function useTarget(t: TestContext): Promise<(Target & { environment: string }) | undefined> {
  if (missing !== undefined) {
    console.warn(`SKIPPED: ${t.name}: ${missing}`);
    t.skip(missing);
    return undefined;
  }
  const environment = `test-${process.pid}-${Math.random().toString(36).slice(2, 7)}`;
  const target = openLocalTarget({ environment, stateFolder: folder, env });
  t.after(async () => {
    await target.remove({});
    await target[Symbol.asyncDispose]();
  });
  const preflight = await target.preflight({});
  if (!preflight.ok) {
    console.warn(`SKIPPED: ${t.name}: ${preflight.reason}`);
    t.skip(preflight.reason);
    return undefined;
  }
  return Object.assign(target, { environment });
}

const commit = parseGitOid('1234567890123456789012345678901234567890');
const rendered = (yaml: string, target: { environment: string }, run = 1) => {
  const { environment } = target;
  const loaded = loadManifests(new Map([['deploy/web.yaml', yaml]]));
  return stamp(loaded, { run, commit, repository: 'shop', environment: { name: environment, namespace: 'default' } }).map(
    (entry) => entry.object,
  );
};

const web = (answer: string, more = '') => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web }, annotations: { io.podman.annotations.privileged: "TRUE" } }
    spec:
      containers:
        - name: web
          image: ${image}
          imagePullPolicy: Never
          command: [/bin/sh, -c, "mkdir /www; echo ${answer} > /www/index.html; trap 'exit 0' TERM; httpd -f -p 8080 -h /www & wait"]
          ports: [{ containerPort: 8080 }]
          readinessProbe: { httpGet: { path: /, port: 8080 } }
${more}`;

test('the contract of a target: releases replace each other, and a broken one changes nothing', async (t) => {
  const target = await useTarget(t);
  if (!target) return;
  const service = '---\napiVersion: v1\nkind: Service\nmetadata: { name: web }\nspec: { ports: [{ port: 80 }] }\n';
  const broken = web('three').replace('trap', 'echo no such table; exit 3; trap');
  const releases = {
    one: rendered(web('one') + service, target, 1),
    two: rendered(web('two'), target, 2),
    broken: rendered(broken, target, 3),
  };
  const lines = await checkTarget(target, releases, { registry: '127.0.0.1:1', username: 'u', password: new Secret('hunter3') });
  assert.ok(lines.some((line) => line.startsWith('Service web is left out')));
  assert.ok(lines.some((line) => line.includes('runs once instead of 2 times')));
  assert.deepEqual(await target.running({}), []);
  assert.deepEqual(await readdir(join(folder, 'pods')), []);
});

test('the older release serves until the newer one is ready', async (t) => {
  const target = await useTarget(t);
  if (!target) return;
  const first = await target.waitReady(await target.apply(rendered(web('one'), target, 1), {}), { timeoutMs: 30_000 });
  assert.ok(first.ready);
  assert.match(first.endpoints[0]?.url ?? '', /^http:\/\/127\.0\.0\.1:\d+$/);
  const second = await target.apply(rendered(web('two'), target, 2), {});
  assert.equal((await first.endpoints[0]?.get('/'))?.body.toString(), 'one\n');
  assert.ok((await target.waitReady(second, { timeoutMs: 30_000 })).ready);
  await assert.rejects(
    async () => first.endpoints[0]?.get('/'),
    (error) => isWaybillError(error, 'ENGINE_FAILED'),
  );
});

test('configuration, secrets, shared volumes and a sidecar are there, and nothing is left of them afterwards', async (t) => {
  const target = await useTarget(t);
  if (!target) return;
  const yaml = `
apiVersion: v1
kind: Secret
metadata: { name: db }
data: { password: ${Buffer.from('hunter2').toString('base64')} }
stringData: { user: shop }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: conf }
data: { MODE: fast, app.ini: "[a]" }
---
apiVersion: v1
kind: Pod
metadata: { name: box }
spec:
  volumes:
    - { name: conf, configMap: { name: conf, items: [{ key: app.ini, path: etc/app.ini }] } }
    - { name: keys, secret: { secretName: db, defaultMode: 0400 } }
    - { name: shared, emptyDir: {} }
  initContainers:
    - { name: init, image: ${image}, imagePullPolicy: Never, command: [/bin/sh, -c, "echo hi > /shared/hi"], volumeMounts: [{ name: shared, mountPath: /shared }] }
  containers:
    - name: web
      image: ${image}
      imagePullPolicy: Never
      command: [/bin/sh, -c, "mkdir /www; echo $MODE $USER_NAME $PW $(cat /conf/etc/app.ini /keys/user /shared/hi) > /www/index.html; echo x > /conf/x; trap 'exit 0' TERM; httpd -f -p 8080 -h /www & wait"]
      envFrom: [{ configMapRef: { name: conf } }]
      env:
        - { name: PW, valueFrom: { secretKeyRef: { name: db, key: password } } }
        - { name: USER_NAME, valueFrom: { secretKeyRef: { name: db, key: user } } }
        - { name: NONE, valueFrom: { secretKeyRef: { name: nothing, key: x, optional: true } } }
      volumeMounts: [{ name: conf, mountPath: /conf }, { name: keys, mountPath: /keys }, { name: shared, mountPath: /shared }]
      readinessProbe: { tcpSocket: { port: 8080 } }
    - { name: side, image: ${image}, imagePullPolicy: Never, command: [/bin/sh, -c, "trap 'exit 0' TERM; sleep 1000 & wait"], readinessProbe: { exec: { command: [/bin/test, -f, /bin/sh] } } }
`;
  const applied = await target.apply(rendered(yaml, target), {
    pullSecret: [{ registry: '127.0.0.1:1', username: 'u', password: new Secret('hunter3') }],
  });
  const ready = await target.waitReady(applied, { timeoutMs: 30_000 });
  assert.ok(ready.ready, JSON.stringify(ready));
  assert.equal((await ready.endpoints[0]?.get('/'))?.body.toString(), 'fast shop hunter2 [a]shophi\n');
  assert.equal((await target.running({})).length, 2);
  const { stdout } = await execa('grep', ['-rl', 'hunter3', folder], { reject: false });
  assert.equal(stdout, '', 'the credential is in no file');
  await target.remove({});
  const left = await execa('grep', ['-rl', 'hunter2', folder], { reject: false });
  assert.equal(left.stdout, '', 'no secret outlives its pod');
});

test('what reaches out of its container, or is not known here, is refused', async (t) => {
  const target = await useTarget(t);
  if (!target) return;
  const rows: [string, RegExp][] = [
    [web('x', '          securityContext: { privileged: true }'), /asks for `privileged: true`/],
    [web('x', '          securityContext: { capabilities: { add: [SYS_ADMIN] } }'), /the capability SYS_ADMIN/],
    [web('x', '      hostNetwork: true'), /hostNetwork/],
    [web('x', '      hostPID: true'), /hostPID/],
    [web('x', '      volumes: [{ name: root, hostPath: { path: / } }]'), /hostPath volume root/],
    [web('x', '      volumes: [{ name: v, nfs: { server: x, path: / } }]'), /volume of the type nfs/],
    [web('x', '          envFrom: [{ secretRef: { name: gone } }]'), /needs the Secret gone, which the manifests do not hold/],
    [
      web('x', '      volumes: [{ name: v, configMap: { name: c, items: [{ key: a, path: ../../x }] } }]') +
        '\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: c }\ndata: { a: b }',
      /volume with the path/,
    ],
    [web('x').replace(image, '--authfile=/etc/passwd'), /is no image reference/],
    [web('x').replace(image, 'localhost/waybill-test-none:1'), /not on this host, and its imagePullPolicy is Never/],
    ['apiVersion: batch/v1\nkind: Job\nmetadata: { name: j }', /runs Pods and Deployments/],
    ['apiVersion: v1\nkind: Service\nmetadata: { name: j }', /nothing that runs/],
  ];
  for (const [yaml, pattern] of rows)
    await assert.rejects(
      target.apply(rendered(yaml, target), {}),
      (error) => isWaybillError(error) && pattern.test(error.detail),
      String(pattern),
    );
  assert.deepEqual(await target.running({}), []);
  assert.deepEqual(await target.remove({}), []);
});

test('a probe that never passes ends with its answer; an abort leaves nothing', async (t) => {
  const target = await useTarget(t);
  if (!target) return;
  const slow = await target.apply(rendered(web('x').replace('path: /,', 'path: /missing,'), target), {});
  const outcome = await target.waitReady(slow, { timeoutMs: 2500 });
  assert.ok(!outcome.ready);
  assert.match(outcome.why, /container web runs but is not ready: GET \/missing answers with 404 \(waited 3 s\)/);
  assert.deepEqual(await target.running({}), []);

  const applied = await target.apply(rendered(web('x').replace('path: /,', 'path: /missing,'), target), {});
  const controller = new AbortController();
  const waiting = target.waitReady(applied, { timeoutMs: 60_000, signal: controller.signal });
  setTimeout(() => controller.abort(), 700);
  await assert.rejects(waiting, (error) => isWaybillError(error, 'CANCELLED'));
  assert.deepEqual(await target.remove({}), []);
});

test('a fixed host port stays on loopback; the older release starts again when the newer fails', async (t) => {
  const target = await useTarget(t);
  if (!target) return;
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  server.close();
  await once(server, 'close');
  const fixed = (answer: string) =>
    web(answer).replace('containerPort: 8080 }', `containerPort: 8080, hostPort: ${address.port}, hostIP: 0.0.0.0 }`);
  const first = await target.waitReady(await target.apply(rendered(fixed('one'), target, 1), {}), { timeoutMs: 30_000 });
  assert.ok(first.ready);
  assert.equal(first.endpoints[0]?.url, `http://127.0.0.1:${address.port}`);
  const { stdout } = await execa('podman', ['ps', '--format', '{{.Ports}}', '--filter', `pod=${first.endpoints[0]?.name.slice(4)}`]);
  assert.ok(!stdout.includes('0.0.0.0:'), stdout);
  const broken = await target.waitReady(await target.apply(rendered(fixed('two').replace('httpd -f', 'exit 1; httpd -f'), target, 2), {}), {
    timeoutMs: 30_000,
  });
  assert.ok(!broken.ready);
  assert.deepEqual(
    (await target.running({})).map((entry) => entry.run),
    [1],
  );
  const third = await target.waitReady(await target.apply(rendered(fixed('three'), target, 3), {}), { timeoutMs: 30_000 });
  assert.ok(third.ready);
  assert.equal((await third.endpoints[0]?.get('/'))?.body.toString(), 'three\n');
});

test('without podman the answer is plain', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'waybill-local-'));
  try {
    await using target = openLocalTarget({ environment: 'none', stateFolder: folder, env: { PATH: folder } });
    const preflight = await target.preflight({});
    assert.ok(!preflight.ok);
    assert.match(preflight.reason, /needs podman \(4\.3 or newer\), which is not installed/);
    await assert.rejects(target.running({}), (error) => error instanceof WaybillError && error.code === 'MISSING_PROGRAM');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('an image is pulled from a registry that asks for a login, with a credential that nobody sees', async (t) => {
  const target = await useTarget(t);
  if (!target) return;
  await using registry = await startTestRegistry();
  const reference = `${registry.host}/shop/web:1`;
  using push = await registry.registry.mintPush({ repository: 'shop/web', run: 1, ttlMs: 60_000 });
  const digestFile = join(folder, 'pushed');
  const login = ['--dest-tls-verify=false', '--dest-registry-token', push.token.reveal(), '--digestfile', digestFile];
  await execa('skopeo', ['copy', '--quiet', ...login, `containers-storage:${image}`, `docker://${reference}`]);
  const digest = parseDigest((await readFile(digestFile, 'utf8')).trim());
  const pinned = `${registry.host}/shop/web@${digest}`;
  t.after(() => execa('podman', ['rmi', '--force', pinned]));
  const objects = rendered(web('one').replace(`image: ${image}`, `image: ${pinned}`).replace('Never', 'IfNotPresent'), target);
  await assert.rejects(target.apply(objects, {}), (error) => isWaybillError(error, 'ENGINE_FAILED') && /podman pull/.test(error.detail));
  const pull = await registry.registry.mintPull({ environment: 'local', repositories: ['shop/web'], ttlMs: 60_000 });
  const lines: string[] = [];
  const pullSecret = [{ registry: registry.host, username: pull.username, password: pull.password }];
  const applied = await target.apply(objects, { pullSecret, onProgress: (line) => void lines.push(line) });
  const ready = await target.waitReady(applied, { timeoutMs: 30_000 });
  assert.ok(ready.ready, JSON.stringify(ready));
  assert.ok(lines.includes(`pulling ${pinned}`));
  assert.equal((await target.running({}))[0]?.digest, digest);
  const found = await execa('grep', ['-rlF', pull.password.reveal(), folder], { reject: false });
  assert.equal(found.stdout, '');
});
