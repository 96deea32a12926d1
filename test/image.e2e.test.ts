import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { execa } from 'execa';
import { endpoints } from '../src/api/endpoints.ts';
import type { RunView } from '../src/api/run-views.ts';
import { openBundle, signStatement } from '../src/evidence/bundle.ts';
import { referrerOf } from '../src/evidence/cosign-forms.ts';
import { keyRingFile } from '../src/evidence/keys.ts';
import { newSigner } from '../src/evidence/testing/shop.ts';
import type { Statement } from '../src/evidence/statement.ts';
import { vsaType } from '../src/evidence/statements/vsa.ts';
import { parseDigest } from '../src/kernel/digest.ts';
import { connectRegistry } from '../src/oci/client.ts';
import { behindTheBack } from '../scripts/demo/behind.ts';
import { must, mustRefuse, type Outcome } from '../scripts/demo/person.ts';
import { waitFor } from '../scripts/demo/story.ts';
import { busybox } from './kit/busybox.ts';
import { findCosign } from './kit/cosign.ts';
import { lacks } from './kit/needs.ts';
import { deliver, ended, mergeChange, newRepository, passed, propose } from './kit/repository.ts';
import { openWaybill, type Waybill } from './kit/waybill.ts';

const limit = { timeout: 300_000 };
const head = `version: 1
defaults: { network: none, timeout: 2m }
stages:
  - { name: lint, on: [change], steps: [{ run: test -x bin/busybox || test -f README.md }] }
`;
/** Two images: one that is ready at once, one whose build takes its time. */
const boxes = `${head}images:
  - name: box
    layers:
      - { from: bin, to: /bin }
      - { from: made, to: /made, after: ["mkdir made; echo made >made/file; ln -s file made/link"] }
    config: { cmd: [/bin/busybox, cat, /made/file] }
  - name: slow
    layers: [{ from: out, to: /out, after: ["cp README.md out; sleep 8"] }]
`;

const imageOf = (run: RunView, name: string): { digest: string; reference: string } => {
  const { digest = '', reference = '' } = run.images.find((image) => image.name === name) ?? {};
  assert.match(reference, /@sha256:[0-9a-f]{64}$/);
  return { digest, reference };
};

/** The uncompressed layers of an image, as its configuration names them; read with dana's own token. */
async function diffIds(waybill: Waybill, repository: string, digest: string): Promise<string[]> {
  const { dana, host } = waybill;
  using client = connectRegistry({ registry: host, plainHttp: true, auth: { username: dana.id, password: dana.token } });
  const { manifest } = await client.getManifest(repository, digest);
  assert.ok(manifest.kind === 'image');
  const config = await buffer(await client.getBlob(repository, manifest.image.config));
  return (JSON.parse(config.toString('utf8')) as { rootfs: { diff_ids: string[] } }).rootfs.diff_ids;
}

test('images: built twice, built upon, pulled, verified', limit, async (t) => {
  const shell = await busybox(t);
  if (!shell) return;
  await using waybill = await openWaybill();
  const { dana, signal, host, scratch, data } = waybill;
  const program = async (file: string, args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> => {
    const done = await execa(file, args, { reject: false, all: true, timeout: 120_000, cancelSignal: signal, env });
    return { ok: done.exitCode === 0, text: done.all };
  };
  let box = { digest: '', reference: '' };
  let tag = '';

  await t.test('one commit built twice, before and after kill -9, has one digest', async () => {
    await newRepository(waybill, 'first', { 'README.md': 'one\n', 'bin/busybox': shell, 'waybill.yaml': boxes });
    const { id } = await propose(waybill, 'first', { 'README.md': 'two\n' }, 'two');
    const run = await mergeChange(waybill, id);
    const before = await waitFor(dana, run, (view) => view.images[0]?.status === 'passed', signal);
    assert.equal(before.images[1]?.status, 'running');
    await waybill.stop('SIGKILL');
    await waybill.start();
    const rows = await dana.api.call(endpoints.listRuns, { query: { repository: 'first' } });
    const after = await passed(dana, await ended(dana, rows[0]?.id ?? 0, signal));
    assert.equal(after.replaces, run);
    box = imageOf(after, 'box');
    tag = `r${after.id}`;
    assert.equal(imageOf(before, 'box').digest, box.digest);
    for (const { reference } of after.images) await must(dana.waybill('verify', reference ?? ''));
  });

  await t.test('the same tree in another repository has the same layers', async () => {
    await newRepository(waybill, 'twin', { 'README.md': 'one\n', 'bin/busybox': shell, 'waybill.yaml': boxes });
    const run = await passed(dana, await deliver(waybill, 'twin', { 'README.md': 'two\n' }, 'two'));
    for (const name of ['box', 'slow']) {
      const first = await dana.api.call(endpoints.listImages);
      const other = first.find((image) => image.repository === `first/${name}`)?.digest ?? '';
      assert.deepEqual(await diffIds(waybill, `twin/${name}`, imageOf(run, name).digest), await diffIds(waybill, `first/${name}`, other));
    }
  });

  for (const [how, base] of [
    ['digest', () => box.reference],
    ['tag', () => `${host}/first/box:${tag}`],
  ] as const)
    await t.test(`an image upon another of this registry, named by ${how}`, async () => {
      const name = `upon-${how}`;
      const upon = `${head}images:
  - name: app
    base: ${base()}
    layers: [{ from: README.md, to: /README.md }]
`;
      await newRepository(waybill, name, { 'README.md': 'one\n', 'waybill.yaml': upon });
      const run = await passed(dana, await deliver(waybill, name, { 'README.md': 'two\n' }, 'two'));
      const app = imageOf(run, 'app');
      const below = await diffIds(waybill, 'first/box', box.digest);
      const all = await diffIds(waybill, `${name}/app`, app.digest);
      assert.deepEqual(all.slice(0, below.length), below);
      assert.equal(all.length, below.length + 1);
      await must(dana.waybill('verify', app.reference));
    });

  await t.test(
    'a base that is not there, or in another registry, is told when the change is pushed, and keeps it from being merged',
    async () => {
      const upon = (base: string) => `${head}images:\n  - { name: app, base: "${base}", layers: [{ from: README.md, to: /a }] }\n`;
      const gone = `${host}/first/box@sha256:${'0'.repeat(64)}`;
      await newRepository(waybill, 'bad-base', { 'README.md': 'one\n', Dockerfile: 'FROM scratch\n', 'waybill.yaml': upon('scratch') });
      const dockerfile = `${head}images:\n  - { name: app, dockerfile: Dockerfile }\n`;
      for (const [file, from, words] of [
        [upon(gone), 'scratch', /waybill.yaml:6:24: error: there is no base image/],
        [upon('registry.example/node:24'), 'scratch', /waybill.yaml:6:24: error: the base .* is in another registry/],
        [dockerfile, gone, /Dockerfile:2:6: error: there is no base image/],
        [dockerfile.replace('dockerfile: D', 'dockerfile: d'), gone, /waybill.yaml:6:30: error: there is no file dockerfile/],
      ] as const) {
        const files = { 'README.md': `${words}\n`, Dockerfile: `# built\nFROM ${from}\n`, 'waybill.yaml': file };
        const { id, said } = await propose(waybill, 'bad-base', files, `base-${words.source.length}`);
        // Git shows what the server says with a prefix, and breaks no line.
        assert.match(said, words);
        await assert.rejects(mergeChange(waybill, id), words);
      }
    },
  );

  await t.test('the digest of a base is recorded when the run is made', async () => {
    const runs = await dana.api.call(endpoints.listRuns, { query: { repository: 'upon-tag' } });
    const run = runs.find((each) => each.event === 'merge');
    assert.ok(run);
    const bases = (await dana.api.call(endpoints.showRun, { params: { id: run.id } })).bases;
    assert.deepEqual(bases, [{ reference: `${host}/first/box:${tag}`, digest: box.digest }]);
  });

  const creds = `${dana.id}:${dana.token.reveal()}`;
  await t.test('skopeo copies it with a person’s token, and cannot push with it', async (t) => {
    if (await lacks(t, 'skopeo')) return;
    const to = path.join(scratch, 'skopeo');
    const copy = ['--insecure-policy', 'copy', '--src-tls-verify=false', '--dest-tls-verify=false'];
    await must(program('skopeo', [...copy, '--src-creds', creds, `docker://${box.reference}`, `oci:${to}:v1`]));
    const inspected = await must(program('skopeo', ['inspect', `oci:${to}:v1`]));
    assert.equal((JSON.parse(inspected) as { Digest: string }).Digest, box.digest);
    for (const name of ['first/box', 'dana/own'])
      await mustRefuse(program('skopeo', [...copy, '--dest-creds', creds, `oci:${to}:v1`, `docker://${host}/${name}:mine`]), /denied|403/i);
    await mustRefuse(
      program('skopeo', [...copy, '--src-no-creds', `docker://${box.reference}`, `oci:${to}:v2`]),
      /unauthorized|denied|40[13]/i,
    );
  });

  await t.test('podman pulls it with a person’s token', async (t) => {
    if (await lacks(t, 'podman')) return;
    const home = path.join(scratch, 'podman');
    await mkdir(home);
    const [conf, policy] = [path.join(home, 'containers.conf'), path.join(home, 'policy.json')];
    await writeFile(conf, '[engine]\nruntime="runc"\n[containers]\ndefault_ulimits=["nofile=1024:1024","nproc=1000:1000"]\n');
    await writeFile(policy, '{"default":[{"type":"insecureAcceptAnything"}]}');
    const own = ['--tmpdir', `${home}/tmp`, '--root', `${home}/root`, '--runroot', `${home}/run`, '--storage-driver', 'vfs'];
    const podman = (...args: string[]) => program('podman', [...own, ...args], { CONTAINERS_CONF: conf });
    const pull = ['pull', '--signature-policy', policy, '--tls-verify=false', '--creds'];
    await must(podman(...pull, creds, box.reference));
    try {
      const [digest] = JSON.parse(await must(podman('image', 'inspect', '--format', '[{{json .Digest}}]', box.reference))) as string[];
      assert.equal(digest, box.digest);
      await mustRefuse(podman(...pull, 'dana:wb_wrong', box.reference), /unauthorized|denied|40[13]|invalid/i);
    } finally {
      await must(podman('rmi', '--all', '--force'));
    }
  });

  const keys = (await dana.api.call(endpoints.keys)) as { papers: { keys: { publicKey: string }[] }; ledger: string };
  for (const version of [2, 3] as const)
    await t.test(`cosign ${version} accepts the papers in this registry, and no other key`, async (t) => {
      const cosign = await findCosign(t, version, { host, person: dana });
      if (!cosign) return;
      const [ours, strange] = [path.join(scratch, `papers-${version}.pub`), path.join(scratch, `strange-${version}.pub`)];
      await writeFile(ours, keys.papers.keys[0]?.publicKey ?? '');
      await writeFile(strange, newSigner().key.publicKey);
      // cosign 2 wants a trusted root for bundles even with a key, and would ask the Internet for one.
      const root = path.join(scratch, `root-${version}.json`);
      await writeFile(root, '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}');
      const flags = ['--insecure-ignore-tlog=true', '--allow-http-registry=true'];
      const forms = version === 2 ? [['--new-bundle-format', '--trusted-root', root], []] : [[]];
      const { papers } = await dana.api.call(endpoints.showPapers, { params: { name: box.digest } });
      const types = new Set(papers.map((paper) => paper.predicateType));
      assert.ok(types.size >= 4, [...types].join(' '));
      for (const form of forms) {
        const verify = (key: string, type: string) =>
          cosign.run('verify-attestation', '--key', key, '--type', type, ...flags, ...form, box.reference);
        for (const type of types) await must(verify(ours, type));
        await mustRefuse(verify(strange, vsaType), /signature|no matching|none of the/i);
        await mustRefuse(verify(ours, 'https://example.com/other'), /no matching|none of the|not found|predicate/i);
      }
      await must(cosign.run('verify', '--key', ours, ...flags, box.reference));
      await mustRefuse(cosign.run('verify', '--key', strange, ...flags, box.reference), /signature|no matching/i);
    });

  await t.test('verify: not with another key, not when a paper was forged, not when the text of one was changed', async () => {
    const { key, ring } = newSigner();
    const foreign = path.join(scratch, 'foreign-keys.json');
    await writeFile(foreign, JSON.stringify({ ...keys, papers: keyRingFile(ring) }));
    await must(dana.waybill('verify', box.reference));
    await mustRefuse(dana.waybill('verify', '--keys', foreign, box.reference), /has no key/);
    await mustRefuse(dana.waybill('verify', `${host}/first/box@sha256:${'1'.repeat(64)}`), /there is no image/);

    const { papers } = await dana.api.call(endpoints.showPapers, { params: { name: box.digest } });
    const summary = papers.find((paper) => paper.predicateType === vsaType);
    const statement = JSON.parse(openBundle(JSON.stringify(summary?.bundle)).payload.toString('utf8')) as Statement<object>;
    // One paper more at a good image: first one of a foreign key, then one whose text does not fit its signature.
    const now = new Date();
    const forged = signStatement(statement, key);
    const changed = JSON.parse(JSON.stringify(summary?.bundle)) as { dsseEnvelope: { payload: string } };
    changed.dsseEnvelope.payload = Buffer.from(`${JSON.stringify(statement)} `).toString('base64');
    for (const paper of [forged, { ...forged, bundle: JSON.stringify(changed) }]) {
      await waybill.stop('SIGTERM');
      const repository = 'first/box';
      await behindTheBack(data, repository, async (client) => {
        const subject = await client.resolve(repository, box.digest);
        assert.ok(subject);
        await client.attachReferrer(repository, { ...subject, digest: parseDigest(subject.digest) }, referrerOf(paper, now));
      });
      await waybill.start();
      await mustRefuse(dana.waybill('verify', box.reference), /✘[^]*does not have its papers/);
    }
  });
});
