import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { cleanUpPlace } from '../scripts/demo/clean-up.ts';
import { writeAdvisories } from '../scripts/demo/advisories.ts';
import { must } from '../scripts/demo/person.ts';
import { endpoints } from '../src/api/endpoints.ts';
import type { ImportView } from '../src/api/import-views.ts';
import { importPredicate, importType } from '../src/evidence/statements/import.ts';
import { digestOf, type Digest } from '../src/kernel/digest.ts';
import { connectRegistry } from '../src/oci/client.ts';
import { ociConfig, ociLayerTarGzip, ociManifest } from '../src/oci/media-types.ts';
import { startTestRegistry } from '../src/registry/registry.fixture.ts';
import { busybox } from './kit/busybox.ts';
import { findProgram } from './kit/needs.ts';
import { predicatesOf } from './kit/papers.ts';
import { deliver, newRepository, passed, until } from './kit/repository.ts';
import { openWaybill, type Waybill } from './kit/waybill.ts';

/** An image in somebody else's registry that runs, with these packages of npm and Python in it. */
async function pushUpstream(
  host: string,
  tag: string,
  shell: Uint8Array,
  files: Readonly<Record<string, string>>,
  user = '',
): Promise<{ digest: Digest; layer: Digest }> {
  using client = connectRegistry({ registry: host, plainHttp: true });
  const archive = pack();
  // The same files again are the same image again.
  const mtime = new Date(0);
  archive.entry({ name: 'bin/busybox', mode: 0o755, mtime }, Buffer.from(shell));
  archive.entry({ name: 'etc/os-release', mtime }, 'ID=debian\nVERSION_ID="12"\n');
  for (const [name, content] of Object.entries(files)) archive.entry({ name, mtime }, content);
  archive.finalize();
  const tar = await buffer(archive);
  const put = async (bytes: Buffer, mediaType: string) => {
    const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
    await client.putBlob('library/db', { bytes }, descriptor);
    return descriptor;
  };
  const layer = await put(gzipSync(tar, { level: 1 }), ociLayerTarGzip);
  const config = await put(
    Buffer.from(
      JSON.stringify({
        os: 'linux',
        architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
        rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
        config: { Cmd: ['/bin/busybox', 'sleep', '3600'], User: user },
      }),
    ),
    ociConfig,
  );
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, config, layers: [layer] }));
  return { digest: (await client.putManifest('library/db', manifest, ociManifest, { tag })).digest, layer: layer.digest };
}

const npm = (name: string, version: string) => ({ [`app/node_modules/${name}/package.json`]: JSON.stringify({ name, version }) });
const python = (name: string, version: string) => ({
  [`usr/lib/python3/dist-packages/${name}-${version}.dist-info/METADATA`]: `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`,
});

const showImport = async ({ dana }: Waybill, id: number): Promise<ImportView> => {
  const found = (await dana.api.call(endpoints.listImports)).find((each) => each.id === id);
  assert.ok(found);
  return found;
};

/** Waits until the server has looked into it, or could not. */
async function looked(waybill: Waybill, id: number): Promise<ImportView> {
  for (;;) {
    const found = await showImport(waybill, id);
    if (found.look.state !== 'waiting') return found;
    await sleep(100, undefined, { signal: waybill.signal });
  }
}

const done = ({ look }: ImportView) => {
  assert.equal(look.state, 'done', JSON.stringify(look));
  return look.state === 'done' ? look : assert.fail();
};

const manifests = (image: string) => `apiVersion: apps/v1
kind: Deployment
metadata: { name: db }
spec:
  selector: { matchLabels: { app: db } }
  template:
    metadata: { labels: { app: db } }
    spec: { containers: [{ name: db, image: "${image}" }, { name: box, image: box }] }
`;
const pipeline = `version: 1
defaults: { network: none, timeout: 2m }
stages:
  - { name: lint, on: [change], steps: [{ run: test -x bin/busybox }] }
images:
  - { name: box, layers: [{ from: bin, to: /bin }], config: { cmd: [/bin/busybox, sleep, "3600"], user: "65532" } }
deploy:
  - { environment: demo, manifests: deploy/, images: { box: box } }
`;

test('what is in a third-party image is known before people vouch for it, and as long as it runs', { timeout: 300_000 }, async (t) => {
  const shell = await busybox(t);
  if (!shell) return;
  let slow: Promise<void> | undefined;
  await using upstream = await startTestRegistry({
    open: true,
    mutableTags: true,
    deletion: true,
    wrap: (handle) => async (request, response) => {
      if (request.method === 'GET' && request.url?.includes('/blobs/')) await slow;
      return handle(request, response);
    },
  });
  await using waybill = await openWaybill();
  await using _pods = { [Symbol.asyncDispose]: () => cleanUpPlace({ kind: 'local' }, waybill.data) };
  const { admin, dana, rita, host, url, scratch, data, signal } = waybill;
  const configFile = path.join(data, 'waybill.json');
  const config = JSON.parse(await readFile(configFile, 'utf8')) as { registry?: object };
  await writeFile(configFile, JSON.stringify({ ...config, registry: { ...config.registry, upstreams: [upstream.host] } }));
  await waybill.stop('SIGTERM');
  await waybill.start();
  const reference = (tag: string) => `${upstream.host}/library/db:${tag}`;
  const ask = async (tag: string) => {
    const said = await must(dana.waybill('image', 'import', reference(tag), '--reason', 'the orders', '--as', 'db', '--json'));
    return (JSON.parse(said) as ImportView).id;
  };
  const first = await pushUpstream(upstream.host, '1', shell, npm('left-behind', '1.2.2'));

  await t.test('it is looked into behind the request, and approvers see it: in lists, as a report, on the page', async () => {
    assert.equal(await ask('1'), 1);
    const look = done(await looked(waybill, 1));
    assert.deepEqual([look.found.critical, look.found.high, look.components], [1, 0, 1]);
    // No list of packages of a system that says it is Debian.
    assert.equal(look.found.gaps, 1);
    assert.equal(look.against, undefined);
    assert.deepEqual([look.image.systems, look.image.root], [['debian 12'], true]);
    assert.ok(look.image.bytes > 100_000);
    assert.match(await must(rita.waybill('image', 'imports')), /FOUND[^]*1 critical/);
    const report = await must(rita.waybill('image', 'scan-of', '1'));
    assert.match(
      report,
      /Signatures of the upstream: no signature[^]*1 critical[^]*debian 12, for linux\/[^]*runs as root[^]*CVE-2026-90001/,
    );
    assert.ok(report.includes(first.digest));
    const page = await (await fetch(`${url}/imports/1`, { headers: { authorization: `Bearer ${rita.token.reveal()}` } })).text();
    assert.match(page, /1 critical[^]*CVE-2026-90001/);
    assert.ok(page.includes(first.digest));
    const home = await (await fetch(url, { headers: { authorization: `Bearer ${rita.token.reveal()}` } })).text();
    assert.match(home, /href="\/imports\/1"[^]*1 critical/);
  });

  await t.test('until it is copied no pod could pull it, and nobody takes it for an image of ours', async () => {
    using client = connectRegistry({ registry: host, plainHttp: true, auth: { username: 'admin', password: admin.token } });
    await assert.rejects(client.getManifest('import/db', first.digest, signal), { code: 'NOT_FOUND' });
    assert.equal((await admin.api.call(endpoints.registryUsage)).repositories.length, 0);
    assert.deepEqual((await dana.api.call(endpoints.where, { query: { what: 'left-behind', pods: 'no', limit: 9 } })).images, []);
  });

  await t.test('the copy does not look a second time where nothing more is known, and the paper names that record', async () => {
    const { record } = done(await showImport(waybill, 1));
    const approved = await rita.waybill('image', 'approve', '1');
    assert.match(approved.text, /Looked into on [^]*1 critical/);
    assert.match(await must(Promise.resolve(approved)), new RegExp(first.digest));
    assert.equal((await showImport(waybill, 1)).scan, record);
    await until('it has its papers', async () => (await predicatesOf(dana, first.digest)).length > 0, signal);
    const papers = await predicatesOf(dana, first.digest);
    const paper = importPredicate.parse(papers.find((each) => each.predicateType === importType)?.predicate);
    assert.equal(`sha256:${paper.scans[0]?.record.sha256}`, record);
    assert.deepEqual(
      paper.scans[0]?.findings.flatMap(({ id, kind }) => (kind === 'vulnerability' ? [id] : [])),
      ['CVE-2026-90001'],
    );
    const entries = (await must(admin.waybill('ledger', 'export'))).split('\n');
    assert.ok(entries.some((line) => line.includes('import-look') && line.includes(record) && line.includes(first.digest)));
    assert.ok(
      entries.some((line) => line.includes('approval') && line.includes('rita') && line.includes(record)),
      'the approval says what there was to see',
    );
  });

  const where = async (what: string) => (await dana.api.call(endpoints.where, { query: { what, pods: 'yes', limit: 9 } })).images;
  await t.test('waybill where finds it by package and by advisory, with the pods of a Deployment', async (t2) => {
    await until('it is indexed', async () => (await where('left-behind')).length > 0, signal);
    for (const what of ['left-behind', 'npm:left-behind@<1.2.3', 'CVE-2026-90001']) {
      const [found, ...others] = await where(what);
      assert.deepEqual(
        [found?.repository, found?.digest, found?.import, found?.run, others.length],
        ['import/db', first.digest, 1, undefined, 0],
        what,
      );
      assert.deepEqual(found?.has[0]?.purl, 'pkg:npm/left-behind@1.2.2');
    }
    if ((await findProgram('podman')) === undefined) return t2.skip('podman is missing, so no pod ran it');
    await must(admin.waybill('environment', 'add', 'demo', '--local'));
    await newRepository(waybill, 'shop', { 'bin/busybox': shell, 'waybill.yaml': pipeline, 'deploy/db.yaml': manifests(reference('1')) });
    await passed(dana, await deliver(waybill, 'shop', { 'a.txt': 'a\n' }, 'a'));
    const [found] = await where('left-behind');
    assert.deepEqual([found?.use, found?.pods.length, found?.pods[0]?.container], ['runs', 1, 'db']);
    assert.match(await must(dana.waybill('where', 'left-behind')), /import\/db@sha256[^]*demo: pod/);
  });

  await t.test('a newer one is compared with the newest import of its name', async () => {
    await pushUpstream(upstream.host, '2', shell, { ...npm('left-behind', '1.2.3'), ...python('left_behind', '1.0') }, '65532');
    const id = await ask('2');
    const look = done(await looked(waybill, id));
    assert.deepEqual([look.against?.import, look.against?.digest], [1, first.digest]);
    assert.deepEqual([look.found.critical, look.against?.fresh.medium, look.against?.fresh.gaps], [0, look.found.medium, 0]);
    assert.ok(look.found.medium + look.found.low === 1, JSON.stringify(look.found));
    assert.ok((look.against?.gone ?? 0) >= 1);
    assert.equal(look.image.root, false);
    assert.match(await must(rita.waybill('image', 'scan-of', String(id))), /Against import 1[^]*new: 1 (?:low|medium)/);
  });

  await t.test('advisories that came after the look are in what the copy finds; imports that run become news', async () => {
    const before = done(await showImport(waybill, 2));
    const vector = 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H';
    await writeAdvisories(path.join(scratch, 'advisories'), [
      { ecosystem: 'npm', name: 'left-behind', id: 'CVE-2026-90009', fixed: '1.2.4', vector },
    ]);
    await admin.api.call(endpoints.updateAdvisories, {});
    await must(rita.waybill('image', 'approve', '2'));
    const after = await showImport(waybill, 2);
    assert.notEqual(after.scan, before.record);
    assert.equal(after.scan, done(after).record);
    assert.equal(done(after).found.critical, before.found.critical + 1);
    const news = async () => (await dana.api.call(endpoints.newlyVulnerable, { query: { pods: 'yes' } })).news;
    while ((await news()).length === 0) await sleep(100, undefined, { signal });
    const [told] = await news();
    assert.equal(told?.advisory, 'CVE-2026-90009');
    assert.ok(told?.images.some((image) => image.digest === first.digest && image.repository === 'import/db'));
  });

  await t.test(
    'an upstream that fails is told, the request stays as usable as without a look, and it is tried again when somebody asks',
    async () => {
      const broken = await pushUpstream(upstream.host, '3', shell, npm('left-behind', '9.9.9'));
      const id = await ask('3');
      const { layer } = broken;
      // Once more, with a layer that is gone; the look before may have been quicker.
      await fetch(`http://${upstream.host}/v2/library/db/blobs/${layer}`, { method: 'DELETE' });
      await looked(waybill, id);
      await must(dana.waybill('image', 'look', String(id)));
      const failed = await looked(waybill, id);
      assert.equal(failed.look.state, 'failed', JSON.stringify(failed.look));
      assert.match(await must(rita.waybill('image', 'imports')), /could not look/);
      const refused = await rita.waybill('image', 'scan-of', String(id));
      assert.match(refused.text, /was not looked into: /);
      // Vouching is possible; the copy says what kept it, as it would have.
      assert.match((await rita.waybill('image', 'approve', String(id))).text, /Nobody could look into it: [^]*could not be copied/);
      await pushUpstream(upstream.host, '3', shell, npm('left-behind', '9.9.9'));
      await must(rita.waybill('image', 'approve', String(id)));
      assert.equal(done(await showImport(waybill, id)).found.critical, 0);
    },
  );

  await t.test('an upstream that drips keeps nobody waiting, and what it keeps from view is told', async () => {
    await pushUpstream(upstream.host, '5', shell, npm('left-behind', '7.7.7'));
    const { promise, resolve } = Promise.withResolvers<void>();
    slow = promise;
    try {
      const id = await ask('5');
      assert.deepEqual((await showImport(waybill, id)).look, { state: 'waiting' });
      assert.match(await must(rita.waybill('image', 'imports')), /not looked at yet/);
      const page = await (await fetch(`${url}/imports/${id}`, { headers: { authorization: `Bearer ${rita.token.reveal()}` } })).text();
      assert.match(page, /Nobody has looked into it yet/);
      assert.match((await rita.waybill('image', 'scan-of', String(id))).text, /was not looked into yet/);
      assert.equal((await rita.api.call(endpoints.approveImport, { params: { id } })).state, 'approved');
      resolve();
      await until('it is copied', async () => (await showImport(waybill, id)).state === 'imported', signal);
      assert.equal(done(await showImport(waybill, id)).record, (await showImport(waybill, id)).scan);
    } finally {
      resolve();
      slow = undefined;
    }
  });

  await t.test('what a stop has left is looked into after the next start', async () => {
    await pushUpstream(upstream.host, '4', shell, npm('left-behind', '8.8.8'));
    const id = await ask('4');
    await waybill.stop('SIGKILL');
    await waybill.start();
    done(await looked(waybill, id));
  });
});
