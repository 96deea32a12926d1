import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { endpoints } from '../src/api/endpoints.ts';
import { cleanUpPlace } from '../scripts/demo/clean-up.ts';
import { must } from '../scripts/demo/person.ts';
import { busybox } from './kit/busybox.ts';
import { lacks } from './kit/needs.ts';
import { deliver, ended, mergeChange, newRepository, passed, propose, pushVersion } from './kit/repository.ts';
import { openWaybill } from './kit/waybill.ts';

/** The broad tests take their time where there is a file \`slow\`, so that a later merge can overtake. */
const pipeline = `version: 1
defaults: { network: none, timeout: 2m }
stages:
  - { name: lint, on: [change], steps: [{ run: test -x bin/busybox }] }
  - { name: core, on: [merge], steps: [{ run: test ! -f slow || sleep 25 }] }
images:
  - name: box
    layers: [{ from: bin, to: /bin }]
    config: { cmd: [/bin/busybox, sleep, "3600"], user: "65532" }
deploy:
  - { environment: demo, manifests: deploy/, images: { box: box } }
`;
const manifest = `apiVersion: apps/v1
kind: Deployment
metadata: { name: box }
spec:
  selector: { matchLabels: { app: box } }
  template:
    metadata: { labels: { app: box } }
    spec: { containers: [{ name: box, image: box }] }
`;

test('deploys move forward only', { timeout: 300_000 }, async (t) => {
  const shell = await busybox(t);
  if (!shell || (await lacks(t, 'podman'))) return;
  await using waybill = await openWaybill();
  // Before the data directory goes, which knows where the pods are.
  await using _pods = { [Symbol.asyncDispose]: () => cleanUpPlace({ kind: 'local' }, waybill.data) };
  const { admin, dana, signal } = waybill;
  await must(admin.waybill('environment', 'add', 'demo', '--local'));
  await newRepository(waybill, 'box', { 'bin/busybox': shell, 'waybill.yaml': pipeline, 'deploy/box.yaml': manifest });
  const running = async () => must(dana.waybill('trace', 'deployment/box'));

  await t.test('a reviewed change is deployed', async () => {
    const run = await passed(dana, await deliver(waybill, 'box', { 'a.txt': 'a\n' }, 'a'));
    assert.ok((await running()).includes(run.commit.slice(0, 12)));
  });

  await t.test('an older run that comes later does not go over a newer one', async () => {
    const slow = await mergeChange(waybill, (await propose(waybill, 'box', { slow: '' }, 'slow')).id);
    const folder = path.join(dana.folder, 'box');
    await must(dana.git(folder, 'fetch', '-q', 'origin'));
    await must(dana.git(folder, 'checkout', '-q', '-B', 'quick', 'origin/main'));
    await must(dana.git(folder, 'rm', '-q', 'slow'));
    const { id } = await pushVersion(waybill, 'box', {}, ['-o', 'topic=quick']);
    const newer = await passed(dana, await ended(dana, await mergeChange(waybill, id), signal));
    const meanwhile = await dana.api.call(endpoints.showRun, { params: { id: slow } });
    assert.equal(meanwhile.status, 'running', 'the older one has been overtaken');
    const older = await ended(dana, slow, signal);
    assert.equal(older.status, 'failed');
    assert.equal(older.images[0]?.status, 'passed');
    assert.match(older.deploys[0]?.reason ?? '', /forward only/i);
    assert.ok((await running()).includes(newer.commit.slice(0, 12)));
  });

  await t.test('two merges at once: one after the other, and the newest is what runs', async () => {
    const one = await propose(waybill, 'box', { 'b.txt': 'b\n' }, 'b');
    const two = await propose(waybill, 'box', { 'c.txt': 'c\n' }, 'c');
    const ids = [await mergeChange(waybill, one.id), await mergeChange(waybill, two.id)];
    const [first, second] = await Promise.all(ids.map((id) => ended(dana, id, signal)));
    assert.ok(first && second);
    await passed(dana, second);
    // The first was deployed before the second, or not at all.
    const [before, after] = [first.deploys[0], second.deploys[0]];
    if (first.status === 'passed') assert.ok((before?.finishedAt ?? '') <= (after?.finishedAt ?? ''), JSON.stringify([before, after]));
    else assert.match(before?.reason ?? '', /forward only/i);
    assert.ok((await running()).includes(second.commit.slice(0, 12)));
  });
});
