import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { writeAdvisories } from '../scripts/demo/advisories.ts';
import { cleanUpPlace } from '../scripts/demo/clean-up.ts';
import { must } from '../scripts/demo/person.ts';
import { changeRun } from '../scripts/demo/story.ts';
import { endpoints } from '../src/api/endpoints.ts';
import type { SinceReleaseView } from '../src/api/since-views.ts';
import type { ScanView } from '../src/api/scan-views.ts';
import { busybox } from './kit/busybox.ts';
import { lacks } from './kit/needs.ts';
import { deliver, ended, newRepository, passed, propose } from './kit/repository.ts';
import { openWaybill } from './kit/waybill.ts';

/** Levels of the scans are lax; that of the deploy is not. */
const released = (level: string) => `version: 1
defaults: { network: none, timeout: 2m }
stages:
  - { name: lint, on: [change], steps: [{ run: test -x bin/busybox }] }
images:
  - { name: box, layers: [{ from: bin, to: /bin }], config: { cmd: [/bin/busybox, sleep, "3600"], user: "65532" } }
deploy:
  - { environment: demo, manifests: deploy/, images: { box: box }, scan: { fail: ${level} } }
scan: { dependencies: { fail: report }, image: { fail: report } }
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
const locked = (versions: Readonly<Record<string, string>>) =>
  JSON.stringify({
    lockfileVersion: 3,
    packages: {
      '': { dependencies: versions },
      ...Object.fromEntries(Object.entries(versions).map(([name, version]) => [`node_modules/${name}`, { version }])),
    },
  });

test(
  'a deploy tells what is new since the release that runs, apart from what the world has learned, and is held to it',
  { timeout: 300_000 },
  async (t) => {
    const shell = await busybox(t);
    if (!shell || (await lacks(t, 'podman'))) return;
    await using waybill = await openWaybill();
    // Before the data directory goes, which knows where the pods are.
    await using _pods = { [Symbol.asyncDispose]: () => cleanUpPlace({ kind: 'local' }, waybill.data) };
    const { admin, dana, rita, signal, scratch } = waybill;
    await must(admin.waybill('environment', 'add', 'demo', '--local'));
    const since = (run: number) => dana.api.call(endpoints.showSince, { params: { id: run } });
    const ids = (found: readonly { readonly id: string }[] | undefined) => found?.map(({ id }) => id);
    const first = { 'bin/busybox': shell, 'waybill.yaml': released('new-high'), 'deploy/box.yaml': manifest };
    await newRepository(waybill, 'store', { ...first, 'package-lock.json': locked({ harmless: '1.0.0' }) });
    const one = await passed(dana, await deliver(waybill, 'store', { 'README.md': 'one\n' }, 'one'));
    const [nothing] = await since(one.id);
    assert.deepEqual([nothing?.release, nothing?.levels, nothing?.passed], [undefined, ['new-high'], true]);

    const vector = 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H';
    await writeAdvisories(path.join(scratch, 'advisories'), [
      { ecosystem: 'npm', name: 'harmless', id: 'CVE-2026-90010', fixed: '2.0.0', vector },
    ]);
    await admin.api.call(endpoints.updateAdvisories, {});
    const { id } = await propose(waybill, 'store', { 'package-lock.json': locked({ harmless: '1.0.0', 'left-behind': '1.2.2' }) }, 'worse');
    const tested = await changeRun(dana, id, 1, signal);
    await passed(dana, tested);
    const report = await must(dana.waybill('change', 'report', String(id)));
    assert.match(report, new RegExp(`## Since the last release of demo \\(run ${one.id}, (?:just now|\\d+ minutes? ago)\\)`));
    assert.match(
      report,
      /dependencies: new\n[^#]*CVE-2026-90001[^#]*### dependencies: in both, and known only since then\n[^#]*CVE-2026-90010/,
    );
    const json = JSON.parse(await must(dana.waybill('change', 'report', String(id), '--json'))) as {
      scans: readonly ScanView[];
      since: readonly SinceReleaseView[];
    };
    assert.deepEqual([json.since, json.scans.length], [await since(tested.id), 2]);
    assert.match(
      (await rita.waybill('change', 'approve', String(id))).text,
      /Since the last release of demo .*1 of both known only since then/,
    );

    const { run } = await rita.api.call(endpoints.mergeChange, { params: { id } });
    const worse = await ended(dana, run, signal);
    assert.equal(worse.status, 'failed');
    assert.equal(worse.images[0]?.status, 'passed', 'the image may be built: it is the environment that it must not come to');
    assert.match(
      worse.deploys[0]?.reason ?? '',
      /demo, since its last release \(run \d+\): image box: new: CVE-2026-90001 in left-behind 1\.2\.2/,
    );
    assert.doesNotMatch(worse.deploys[0]?.reason ?? '', /CVE-2026-90010/);
    const [image] = (await since(run))[0]?.parts ?? [];
    assert.deepEqual([image?.name, image?.now, image?.was], ['image box', worse.images[0]?.digest, one.images[0]?.digest]);
    assert.deepEqual([ids(image?.fresh), ids(image?.gone), ids(image?.learned)], [['CVE-2026-90001'], [], ['CVE-2026-90010']]);
    assert.match(await must(dana.waybill('runs', 'scans', String(run))), /## ✘ Since the last release of demo/);
    assert.match(await must(dana.waybill('runs', 'show', String(run))), /demo: \d new \(worst: critical\), 0 gone/);
    assert.ok((await must(dana.waybill('trace', 'deployment/box'))).includes(one.commit.slice(0, 12)), 'the old one runs');
    const pageText = await (
      await fetch(`${waybill.url}/runs/${run}`, { headers: { authorization: `Bearer ${dana.token.reveal()}` } })
    ).text();
    assert.match(pageText, /Since the last release of demo \(run \d+, [^]*New in image box[^]*CVE-2026-90001/);

    const relaxed = await deliver(waybill, 'store', { 'waybill.yaml': released('report') }, 'relaxed');
    assert.equal(relaxed.status, 'failed', 'a change does not relax its own level');
    assert.deepEqual((await since(relaxed.id))[0]?.levels, ['new-high']);
    const mended = await passed(dana, await deliver(waybill, 'store', { 'package-lock.json': locked({ harmless: '2.0.0' }) }, 'mended'));
    const [better] = await since(mended.id);
    assert.deepEqual(
      [better?.levels, better?.found.fresh, ids(better?.parts[0]?.gone), better?.release?.run],
      [[], 0, ['CVE-2026-90010'], one.id],
    );
  },
);
