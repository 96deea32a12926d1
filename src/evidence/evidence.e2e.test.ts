import assert from 'node:assert/strict';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { digestOf, type Digest } from '../kernel/digest.ts';
import { connectRegistry } from '../oci/client.ts';
import type { RegistryClient } from '../oci/client-types.ts';
import { ociConfig, ociManifest } from '../oci/media-types.ts';
import { signStatement, type Paper } from './bundle.ts';
import { attestationTag, referrerOf, signatureTag, signSimple, type Push } from './cosign-forms.ts';
import type { SigningKey } from './keys.ts';
import { provenanceStatement, provenanceType } from './statements/provenance.ts';
import { reviewStatement, reviewType, sourceSummaryStatement } from './statements/review.ts';
import { summaryStatement } from './statements/summary.ts';
import { testResultType, testsStatement } from './statements/tests.ts';
import { vsaType } from './statements/vsa.ts';
import { build, names, newSigner, now, policy, review, source, stage } from './testing/shop.ts';

/** The real verifiers against our papers in a real registry (Debian's docker-registry, which has no referrers API). */
async function programIn(path: string | undefined): Promise<string | undefined> {
  for (const candidate of path === undefined ? [] : [path])
    try {
      await access(candidate);
      return candidate;
    } catch {
      continue;
    }
  return undefined;
}

async function inPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const found = await programIn(join(folder, name));
    if (found !== undefined) return found;
  }
  return undefined;
}

async function major(cosign: string | undefined): Promise<2 | 3 | undefined> {
  if (cosign === undefined) return undefined;
  // Distributions build it without a version number; verify's --new-bundle-format is an option of 2 alone.
  const { stdout, stderr } = await execa(cosign, ['verify-attestation', '--help'], { reject: false, timeout: 30_000 });
  return `${stdout}${stderr}`.includes('--new-bundle-format') ? 2 : 3;
}

const common = await inPath('cosign');
const commonMajor = await major(common);
const cosigns = {
  2: (await programIn(process.env['WAYBILL_COSIGN2'])) ?? (commonMajor === 2 ? common : undefined),
  3: (await programIn(process.env['WAYBILL_COSIGN3'])) ?? (commonMajor === 3 ? common : undefined),
};
const registryProgram = await inPath('docker-registry');

type World = AsyncDisposable & { readonly host: string; readonly folder: string; readonly client: RegistryClient };

async function startRegistry(program: string): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'evidence-'));
  const config = join(folder, 'registry.yml');
  const yaml = ['version: 0.1', 'storage:', '  filesystem:', `    rootdirectory: ${folder}/data`, 'http:', '  addr: 127.0.0.1:0', ''];
  await writeFile(config, yaml.join('\n'));
  const child = spawn(program, ['serve', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = once(child, 'exit');
  let host = '';
  for await (const line of createInterface(child.stderr)) {
    host = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1] ?? '';
    if (host !== '') break;
  }
  child.stderr.resume();
  const client = connectRegistry({ registry: host, plainHttp: true });
  return {
    host,
    folder,
    client,
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      child.kill();
      await exited;
      await rm(folder, { recursive: true });
    },
  };
}

const repository = build.image.repository;

async function pushAll(client: RegistryClient, { tag, manifest, blobs }: Push): Promise<void> {
  for (const { digest, content } of blobs)
    await client.putBlob(repository, { bytes: Buffer.from(content) }, { digest, size: Buffer.byteLength(content) });
  await client.putManifest(repository, Buffer.from(manifest.content), manifest.mediaType, { tag });
}

/** An image with no layers; `variant` makes another digest. */
async function pushImage(client: RegistryClient, variant: string): Promise<{ mediaType: string; digest: Digest; size: number }> {
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    author: variant,
    config: {},
    rootfs: { type: 'layers', diff_ids: [] },
  });
  const blob = { digest: digestOf(config), size: Buffer.byteLength(config) };
  const content = JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, config: { mediaType: ociConfig, ...blob }, layers: [] });
  await pushAll(client, {
    tag: variant,
    manifest: { mediaType: ociManifest, digest: digestOf(content), content },
    blobs: [{ digest: blob.digest, content: config }],
  });
  return { mediaType: ociManifest, digest: digestOf(content), size: Buffer.byteLength(content) };
}

/** Every paper that Waybill writes about an image. */
function papersOf(digest: Digest, key: SigningKey): Paper[] {
  const image = { repository, digest };
  const summary = summaryStatement({
    names,
    policy,
    at: now,
    levels: ['SLSA_BUILD_LEVEL_1'],
    inputs: [],
    image: {
      digest,
      repository,
      source: { repository: 'shop', commit: source.commit, tree: source.tree },
      tests: [{ stage: 'lint', passed: true }],
      provenance: true,
      run: 12,
      validUntil: now.toISOString(),
    },
  });
  return [
    reviewStatement(review, names, image),
    sourceSummaryStatement(review, { names, policy, level: 1, at: now, image }),
    testsStatement(stage('lint'), names, image),
    testsStatement(stage('unit'), names, image),
    provenanceStatement({ ...build, image: { ...build.image, digest } }, names),
    summary,
  ].map((statement) => signStatement(statement, key));
}

const types = [reviewType, vsaType, testResultType, provenanceType];

for (const version of [2, 3] as const)
  test(`cosign ${version} accepts our papers and nobody else's`, async (t) => {
    const cosign = cosigns[version];
    if (cosign === undefined || registryProgram === undefined) {
      // oxlint-disable-next-line no-console -- a skipped verifier must be seen
      console.warn(`SKIPPED: cosign ${version} (PATH or WAYBILL_COSIGN${version}) or docker-registry is not on this machine`);
      t.skip('missing program');
      return;
    }
    await using world = await startRegistry(registryProgram);
    const { client, host, folder } = world;
    const [ours, stranger] = [newSigner().key, newSigner().key];
    const [keyFile, strangerFile] = [join(folder, 'papers.pub'), join(folder, 'stranger.pub')];
    await writeFile(keyFile, ours.publicKey);
    await writeFile(strangerFile, stranger.publicKey);
    const run = async (...args: string[]) => {
      const env = { HOME: folder, PATH: process.env['PATH'] ?? '' };
      return execa(cosign, args, { reject: false, timeout: 60_000, extendEnv: false, env, all: true });
    };
    const accepts = async (...args: string[]) => {
      const { exitCode, all } = await run(...args);
      assert.equal(exitCode, 0, `${args.join(' ')}\n${all}`);
      return all;
    };
    const refuses = async (...args: string[]) => {
      const { exitCode, all } = await run(...args);
      assert.notEqual(exitCode, 0, args.join(' '));
      // Refused for what it is, not because something could not be reached.
      assert.match(all, /signature|no matching|threshold|none of the|not found|predicate|subject|digest/i, all);
      assert.doesNotMatch(all, /tuf refresh|dial tcp|unknown flag/, all);
    };
    // cosign 2 wants a trusted root for bundles even with a key, and would ask the Internet for one.
    const root = join(folder, 'root.json');
    await writeFile(root, '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}');
    const bundles = version === 2 ? ['--new-bundle-format', '--trusted-root', root] : [];
    const insecure = ['--allow-http-registry=true'];
    const logless =
      version === 3
        ? [['--insecure-ignore-tlog=true'], ['--private-infrastructure']]
        : [['--insecure-ignore-tlog=true'], ['--private-infrastructure']];

    await t.test('referrers, as Sigstore bundles', async () => {
      const image = await pushImage(client, 'bundles');
      for (const paper of papersOf(image.digest, ours)) await client.attachReferrer(repository, image, referrerOf(paper, now));
      const reference = `${host}/${repository}@${image.digest}`;

      for (const type of types)
        for (const flag of logless)
          await accepts('verify-attestation', '--key', keyFile, '--type', type, ...flag, ...bundles, ...insecure, reference);
      const flags = [...(logless[0] ?? []), ...bundles, ...insecure];
      await refuses('verify-attestation', '--key', strangerFile, '--type', vsaType, ...flags, reference);
      await refuses('verify-attestation', '--key', keyFile, '--type', 'https://example.com/other', ...flags, reference);
    });

    await t.test('a bundle about another image does not count', async () => {
      const [image, other] = [await pushImage(client, 'mixed'), await pushImage(client, 'other')];
      for (const paper of papersOf(other.digest, ours)) await client.attachReferrer(repository, image, referrerOf(paper, now));

      const reference = `${host}/${repository}@${image.digest}`;
      await refuses('verify-attestation', '--key', keyFile, '--type', vsaType, ...(logless[0] ?? []), ...bundles, ...insecure, reference);
    });

    await t.test('tags: .sig and .att', async () => {
      const image = await pushImage(client, 'tags');
      const reference = `${host}/${repository}@${image.digest}`;
      const simple = signSimple({ repository, digest: image.digest }, `${host}/${repository}`, ours);
      await pushAll(client, signatureTag(image.digest, [simple]));
      await pushAll(client, attestationTag(image.digest, papersOf(image.digest, ours)));
      for (const flag of logless) {
        await accepts('verify', '--key', keyFile, ...flag, ...insecure, reference);
        for (const type of types) await accepts('verify-attestation', '--key', keyFile, '--type', type, ...flag, ...insecure, reference);
      }
      const flags = [...(logless[0] ?? []), ...insecure, reference];
      await refuses('verify', '--key', strangerFile, ...flags);
      await refuses('verify-attestation', '--key', strangerFile, '--type', vsaType, ...flags);
      await refuses('verify-attestation', '--key', keyFile, '--type', 'https://example.com/other', ...flags);
    });

    await t.test('both forms on one image, the way they are published', async () => {
      const image = await pushImage(client, 'both');
      const reference = `${host}/${repository}@${image.digest}`;
      const papers = papersOf(image.digest, ours);
      await pushAll(client, signatureTag(image.digest, [signSimple({ repository, digest: image.digest }, `${host}/${repository}`, ours)]));
      await pushAll(client, attestationTag(image.digest, papers));
      for (const paper of papers) await client.attachReferrer(repository, image, referrerOf(paper, now));
      const results: string[] = [];
      for (const type of types) {
        const { exitCode, all } = await run(
          'verify-attestation',
          '--key',
          keyFile,
          '--type',
          type,
          ...(logless[0] ?? []),
          ...insecure,
          reference,
        );
        results.push(`${exitCode} ${exitCode === 0 ? '' : all}`);
      }
      assert.deepEqual(
        results,
        types.map(() => '0 '),
      );
      const signature = await run('verify', '--key', keyFile, ...(logless[0] ?? []), ...insecure, reference);
      assert.equal(signature.exitCode, 0, signature.all);
    });

    await t.test('a blob, offline', async () => {
      const blob = join(folder, 'blob');
      await writeFile(blob, 'the blob');
      const digest = digestOf('the blob');

      for (const [i, paper] of papersOf(digest, ours).entries()) {
        const file = join(folder, `${i}.json`);
        await writeFile(file, paper.bundle);
        for (const flag of logless)
          await accepts(
            'verify-blob-attestation',
            '--bundle',
            file,
            '--key',
            keyFile,
            '--type',
            paper.predicateType,
            ...flag,
            ...bundles,
            blob,
          );
        await refuses(
          'verify-blob-attestation',
          '--bundle',
          file,
          '--key',
          strangerFile,
          '--type',
          paper.predicateType,
          ...(logless[0] ?? []),
          ...bundles,
          blob,
        );
      }
    });

    if (version === 3)
      await t.test('the trap: cosign 3 refuses a bundle whose signature has a keyid', async () => {
        const blob = join(folder, 'blob');
        await writeFile(blob, 'the blob');
        const [paper] = papersOf(digestOf('the blob'), ours);
        assert.ok(paper);
        const file = join(folder, 'keyid.json');
        for (const keyid of ['', ours.keyId]) {
          await writeFile(file, paper.bundle.replace('"signatures":[{', `"signatures":[{"keyid":${JSON.stringify(keyid)},`));
          const args = [
            'verify-blob-attestation',
            '--bundle',
            file,
            '--key',
            keyFile,
            '--type',
            paper.predicateType,
            '--private-infrastructure',
            blob,
          ];
          await (keyid === '' ? accepts(...args) : refuses(...args));
        }
      });
  });
