import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { endpoints } from '../src/api/endpoints.ts';
import { digestOf } from '../src/kernel/digest.ts';
import { connectRegistry } from '../src/oci/client.ts';
import { ociConfig, ociLayerTarGzip, ociManifest } from '../src/oci/media-types.ts';
import { startTestRegistry } from '../src/registry/registry.fixture.ts';
import { importPredicate, importType } from '../src/evidence/statements/import.ts';
import { predicatesOf } from './kit/papers.ts';
import { must, mustRefuse } from '../scripts/demo/person.ts';
import { openWaybill } from './kit/waybill.ts';

const pod = (image: string) =>
  JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'db' }, spec: { containers: [{ name: 'db', image }] } });

/** An image in somebody else's registry. */
async function upstreamImage(host: string, tag: string): Promise<string> {
  using client = connectRegistry({ registry: host, plainHttp: true });
  const layer = randomBytes(2_000);
  const config = Buffer.from(
    JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [digestOf(layer)] } }),
  );
  const descriptors = await Promise.all(
    [config, layer].map(async (bytes, n) => {
      const descriptor = { mediaType: n === 0 ? ociConfig : ociLayerTarGzip, digest: digestOf(bytes), size: bytes.length };
      await client.putBlob('library/db', { bytes }, descriptor);
      return descriptor;
    }),
  );
  const manifest = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, config: descriptors[0], layers: [descriptors[1]] }),
  );
  return (await client.putManifest('library/db', manifest, ociManifest, { tag })).digest;
}

test(
  'a third-party image comes in when somebody else vouches for it, as exactly the digest that was reviewed',
  { timeout: 120_000 },
  async () => {
    await using upstream = await startTestRegistry({ open: true, mutableTags: true, deletion: true });
    await using w = await openWaybill();
    const configFile = path.join(w.data, 'waybill.json');
    const config = JSON.parse(await readFile(configFile, 'utf8')) as { registry?: object };
    const reviewed = await upstreamImage(upstream.host, '1');
    const reference = `${upstream.host}/library/db:1`;

    const ask = () => w.dana.waybill('image', 'import', reference, '--reason', 'the shop keeps its orders in it', '--as', 'db');
    await mustRefuse(ask(), /is no public address[\s\S]*registry\.upstreams/);
    await writeFile(configFile, JSON.stringify({ ...config, registry: { ...config.registry, upstreams: [upstream.host] } }));
    await w.stop('SIGTERM');
    await w.start();

    await must(ask());
    await upstreamImage(upstream.host, '1');
    const image = `${w.host}/import/db@${reviewed}`;
    const file = path.join(w.scratch, 'pod.json');
    await writeFile(file, pod(image));
    await mustRefuse(w.dana.waybill('admit', '-f', file), /no papers/);
    await mustRefuse(w.dana.waybill('image', 'approve', '1'), /role/);
    assert.match(await must(w.rita.waybill('image', 'approve', '1')), new RegExp(reviewed));
    await must(w.dana.waybill('admit', '-f', file));
    assert.match(await must(w.dana.waybill('verify', reviewed)), /import\/v1/);
    assert.match(await must(w.dana.waybill('trace', reviewed)), /asked: dana {2}vouched: rita/);
    assert.match(await must(w.dana.waybill('image', 'scan-of', '1')), /import 1: what was found/);
    const papers = await predicatesOf(w.dana, reviewed.slice(reviewed.indexOf('sha256:')));
    const paper = importPredicate.parse(papers.find((each) => each.predicateType === importType)?.predicate);
    const [scan] = paper.scans;
    assert.ok(scan && (scan.covered.files > 0 || scan.worst === 'unknown'), 'it was looked into, or the paper says that nobody could');

    // The tag moved upstream meanwhile.
    assert.match(await must(w.dana.waybill('image', 'update')), /import 1 .*--request asks for it/);
    assert.match(await must(w.dana.waybill('image', 'update', '--request')), /waybill image approve 2/);
    assert.match(await must(w.dana.waybill('image', 'update', '--request')), /waybill image approve 2/, 'asked for once');
    await must(w.rita.waybill('image', 'approve', '2'));
    assert.match(await must(w.dana.waybill('image', 'update')), /Nothing that could be asked is newer/);

    const policy = path.join(w.scratch, 'policy.json');
    const { default: rules } = (await w.dana.api.call(endpoints.policy)) as { default: { require: object } };
    await writeFile(policy, JSON.stringify({ default: { ...rules, require: { ...rules.require, imports: false } } }));
    await mustRefuse(w.dana.waybill('admit', '-f', file, '--policy', policy), /no imported images are admitted here/);

    const newer = `${upstream.host}/library/db@${await upstreamImage(upstream.host, '2')}`;
    await must(w.dana.waybill('image', 'import', newer, '--reason', 'newer', '--as', 'db'));
    await must(w.rita.waybill('image', 'reject', '3', '--why', 'not yet'));
    await mustRefuse(w.rita.waybill('image', 'approve', '3'), /rejected already/);
    const listed = await w.admin.api.call(endpoints.listImports);
    assert.deepEqual(
      listed.map((each) => [each.id, each.state]),
      [
        [3, 'rejected'],
        [2, 'imported'],
        [1, 'imported'],
      ],
    );
  },
);
