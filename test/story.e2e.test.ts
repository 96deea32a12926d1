import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { cleanUpPlace } from '../scripts/demo/clean-up.ts';
import { kubectl } from '../scripts/demo/kubectl.ts';
import { must, mustRefuse } from '../scripts/demo/person.ts';
import { play } from '../scripts/demo/play.ts';
import { Screen } from '../scripts/demo/screen.ts';
import { freePort, start, type Running } from '../scripts/demo/stand.ts';
import type { Place, Stage } from '../scripts/demo/world.ts';
import { useCluster } from './cluster.ts';

const root = path.resolve(import.meta.dirname, '..');
const namespace = 'waybill-story';

/** The whole story on a real cluster: real pods, pulled by the kubelet with the pull secret, behind a registered gate. */
test('the story and the attacks on a real cluster, with the gate registered', { timeout: 600_000 }, async (t) => {
  const cluster = await useCluster(t);
  if (!cluster) return;
  const version = (await cluster.cluster.version()).replace(/^v/, '');
  await using stack = new AsyncDisposableStack();
  const scratch = await mkdtemp(path.join(tmpdir(), 'waybill-story-'));
  stack.defer(() => rm(scratch, { recursive: true, force: true, maxRetries: 3 }));
  const place: Place = { kind: 'cluster', kubeconfig: cluster.kubeconfig, namespace, gate: true };
  const signal = AbortSignal.any([t.signal, AbortSignal.timeout(540_000)]);
  await must(kubectl(place, ['create', 'namespace', namespace], signal));
  const data = path.join(scratch, 'data');
  stack.defer(() => cleanUpPlace(place, data));

  let gate: Running | undefined;
  let openGate: () => Promise<void> = async () => undefined;
  stack.defer(async () => {
    await kubectl(
      place,
      ['delete', 'validatingwebhookconfiguration', 'waybill-admission', '--ignore-not-found'],
      AbortSignal.timeout(60_000),
    );
    await gate?.kill('SIGKILL');
  });
  const prepare = async (stage: Stage) => {
    const folder = path.join(scratch, 'gate');
    const port = await freePort();
    for (const name of ['keys', 'policy']) await writeFile(path.join(scratch, `${name}.json`), await must(stage.dana.waybill(name)));
    openGate = async () => {
      const args = ['admission', 'serve', '--source', stage.url, '--keys', `${scratch}/keys.json`, '--policy', `${scratch}/policy.json`];
      gate = await start({
        root,
        args: [...args, '--folder', folder, '--port', String(port), '--name', '127.0.0.1'],
        env: { WAYBILL_LOG: 'warn' },
        ready: /the gate listens/,
      });
    };
    await openGate();
    const webhook = [
      'admission',
      'webhook',
      '--url',
      `https://127.0.0.1:${port}`,
      '--folder',
      folder,
      '--name',
      '127.0.0.1',
      '--cluster-version',
      version,
    ];
    await must(kubectl(place, ['apply', '-f', '-'], signal, await must(stage.dana.waybill(...webhook))));
  };

  const screen = new Screen();
  const { stage, told, server } = await play({ screen, root, data, scratch: path.join(scratch, 'people'), place, signal, prepare }, stack);
  assert.deepEqual(
    screen.acts.filter((act) => !act.ok),
    [],
  );

  await t.test('every workload kind is refused through kubectl, a sidecar and an init container too', async () => {
    const bad = 'docker.io/library/nginx:1.27';
    const template = (containers: object) => ({ metadata: { labels: { app: 'x' } }, spec: { restartPolicy: 'Never', ...containers } });
    const spec = (containers: object, kind: string) =>
      kind === 'CronJob'
        ? { schedule: '0 0 1 1 *', jobTemplate: { spec: { template: template(containers) } } }
        : kind === 'Job'
          ? { template: template(containers) }
          : { selector: { matchLabels: { app: 'x' } }, serviceName: 'x', template: { ...template(containers), spec: { ...containers } } };
    const kinds = [
      ['apps/v1', 'Deployment'],
      ['apps/v1', 'StatefulSet'],
      ['apps/v1', 'DaemonSet'],
      ['apps/v1', 'ReplicaSet'],
      ['batch/v1', 'Job'],
      ['batch/v1beta1', 'CronJob'],
    ] as const;
    for (const [apiVersion, kind] of kinds) {
      for (const containers of [
        { containers: [{ name: 'a', image: bad }] },
        {
          containers: [
            { name: 'a', image: told.image },
            { name: 'b', image: bad },
          ],
        },
        { initContainers: [{ name: 'i', image: bad }], containers: [{ name: 'a', image: told.image }] },
      ]) {
        const body = spec(containers, kind) as Record<string, unknown>;
        if (kind !== 'StatefulSet') delete body['serviceName'];
        const manifest = JSON.stringify({ apiVersion, kind, metadata: { name: 'bad' }, spec: body });
        const refused = await mustRefuse(kubectl(place, ['-n', namespace, 'apply', '-f', '-'], signal, manifest), /not allowed here/);
        assert.match(refused, /Waybill denies/);
      }
    }
  });

  const good = JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'good' },
    spec: { imagePullSecrets: [{ name: 'waybill-pull' }], containers: [{ name: 'a', image: told.image }] },
  });

  await t.test('when the gate is killed, nothing gets in; labels of what runs can still be changed only through it', async () => {
    await gate?.kill('SIGKILL');
    await mustRefuse(kubectl(place, ['-n', namespace, 'apply', '-f', '-'], signal, good), /failed calling webhook|connection refused/i);
  });

  await t.test('when the server is killed too and the gate comes back alone, it still knows what has papers', async () => {
    await server.kill('SIGKILL');
    await openGate();
    await must(kubectl(place, ['-n', namespace, 'apply', '-f', '-'], signal, good));
    const other = good.replace(/sha256:[0-9a-f]{64}/, `sha256:${'0'.repeat(64)}`).replace('"good"', '"other"');
    await mustRefuse(kubectl(place, ['-n', namespace, 'apply', '-f', '-'], signal, other), /no papers/);
    await must(kubectl(place, ['-n', namespace, 'label', 'pod', 'good', 'seen=yes'], signal));
  });

  await t.test('kubectl finds a pod that pulled its image with the pull secret', async () => {
    const { stdout } = await execa(
      'kubectl',
      ['--kubeconfig', place.kubeconfig, '-n', stage.place.kind === 'cluster' ? namespace : '', 'get', 'pods', '-o', 'json'],
      { timeout: 30_000 },
    );
    const pods = JSON.parse(stdout) as {
      items: { metadata: { name: string }; spec: { imagePullSecrets?: { name: string }[] }; status: { phase: string } }[];
    };
    const shop = pods.items.find((pod) => pod.metadata.name.startsWith('shop-'));
    assert.equal(shop?.status.phase, 'Running');
    assert.deepEqual(shop?.spec.imagePullSecrets, [{ name: 'waybill-pull' }]);
  });
});
