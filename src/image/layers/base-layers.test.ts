import { readFile, writeFile } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { digestOf } from '../../kernel/digest.ts';
import { isWaybillError } from '../../kernel/error.ts';
import type { ImageConfig } from '../../plan/plan.ts';
import type { BaseImage } from './build-context.ts';
import { buildImage } from './build-image.ts';
import { blobPath, contextOf, listLayer, planned, temporaryFolder } from './test-build.ts';

const baseConfig: ImageConfig = {
  entrypoint: ['/nodejs/bin/node'],
  cmd: ['--help'],
  user: '1000',
  workdir: '/base',
  env: { PATH: '/bin', LANG: 'C' },
  ports: [80],
  labels: { of: 'base', z: '1' },
};

/** What every image says of itself. */
const said = { 'org.opencontainers.image.created': '2026-11-01T12:00:00Z', 'org.opencontainers.image.revision': '1'.repeat(40) };

/** A base that was itself built here, read back from its layout as a registry would serve it. */
async function baseOf(source: string, out: string, change: Partial<BaseImage> = {}): Promise<BaseImage> {
  const image = await buildImage(planned([{ from: '.', to: '/' }], { config: baseConfig }), contextOf(source, out));
  return {
    resolved: image.digest,
    digest: image.digest,
    manifest: image.manifests[0].manifest,
    config: await readFile(blobPath(out, image.manifests[0].manifest.config.digest)),
    blob: async (descriptor) => createReadStream(blobPath(out, descriptor.digest)),
    ...change,
  };
}

async function configOf(
  config: ImageConfig,
  layerTo = '/app/a',
): Promise<{ config: Record<string, unknown>; diffIds: number; entries: string[] }> {
  await using source = await temporaryFolder();
  await using out = await temporaryFolder();
  await writeFile(join(source.path, 'a'), 'A');
  const base = await baseOf(source.path, join(out.path, 'base'));
  const context = contextOf(source.path, join(out.path, 'own'), { base: async () => base });
  const image = await buildImage(planned([{ from: 'a', to: layerTo }], { base: 'node:24', config }), context);
  assert.deepEqual(image.base, { reference: 'node:24', digest: base.digest });
  assert.equal(image.manifests[0].manifest.annotations?.['org.opencontainers.image.base.digest'], base.digest);
  assert.equal(image.manifests[0].manifest.layers.length, 2);
  for (const layer of [image.manifests[0].manifest.config, ...image.manifests[0].manifest.layers]) {
    assert.equal(digestOf(await readFile(blobPath(image.layout, layer.digest))), layer.digest);
  }
  const file = JSON.parse(await readFile(blobPath(image.layout, image.manifests[0].manifest.config.digest), 'utf8')) as {
    config: Record<string, unknown>;
    rootfs: { diff_ids: string[] };
    history: unknown[];
  };
  assert.equal(file.history.length, 2);
  return { config: file.config, diffIds: file.rootfs.diff_ids.length, entries: await listLayer(image, 0) };
}

test('what the pipeline file does not say comes from the base', async () => {
  assert.deepEqual(await configOf({ cmd: ['/app/a'] }), {
    config: {
      User: '1000',
      ExposedPorts: { '80/tcp': {} },
      Env: ['PATH=/bin', 'LANG=C'],
      Entrypoint: ['/nodejs/bin/node'],
      Cmd: ['/app/a'],
      WorkingDir: '/base',
      Labels: { ...said, of: 'base', z: '1' },
    },
    diffIds: 2,
    // No entry for /app: over a base it may be a link, or have a mode of its own.
    entries: ['app/a 644 A'],
  });
});

test('what it says goes over the base; an entry point drops the command of the base', async () => {
  const own: ImageConfig = {
    entrypoint: ['/a'],
    user: '65532',
    workdir: '/app',
    env: { LANG: 'de', X: '1' },
    ports: [8080],
    labels: { of: 'own' },
  };
  assert.deepEqual((await configOf(own)).config, {
    User: '65532',
    ExposedPorts: { '80/tcp': {}, '8080/tcp': {} },
    Env: ['PATH=/bin', 'LANG=de', 'X=1'],
    Entrypoint: ['/a'],
    WorkingDir: '/app',
    Labels: { of: 'own', ...said, z: '1' },
  });
});

const refusals: Record<string, { code: string; change(base: BaseImage): Partial<BaseImage> }> = {
  'a layer with other bytes': { code: 'DIGEST_MISMATCH', change: () => ({ blob: async () => Readable.from([Buffer.from('other')]) }) },
  'a layer that ends early': {
    code: 'DIGEST_MISMATCH',
    change: (base) => ({
      blob: async (...given) => Readable.from([((await (await base.blob(...given)).toArray())[0] as Buffer).subarray(0, 10)]),
    }),
  },
  'a configuration that the manifest does not name': { code: 'IMAGE_BASE_INVALID', change: () => ({ config: Buffer.from('{}') }) },
  'layers that may not be distributed': {
    code: 'IMAGE_BASE_INVALID',
    change: ({ manifest }) => ({
      manifest: {
        ...manifest,
        layers: manifest.layers.map((layer) => ({ ...layer, mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip' })),
      },
    }),
  },
  'fewer layers than the configuration names': {
    code: 'IMAGE_BASE_INVALID',
    change: ({ manifest }) => ({ manifest: { ...manifest, layers: [] } }),
  },
};
for (const [name, { code, change }] of Object.entries(refusals)) {
  test(`refuses a base with ${name}`, async () => {
    await using source = await temporaryFolder();
    await using out = await temporaryFolder();
    await writeFile(join(source.path, 'a'), 'A');
    const good = await baseOf(source.path, join(out.path, 'base'));
    const context = contextOf(source.path, join(out.path, 'own'), { base: async () => ({ ...good, ...change(good) }) });
    await assert.rejects(
      buildImage(planned([{ from: 'a', to: '/b' }], { base: 'node:24' }), context),
      (error) => isWaybillError(error) && error.code === code,
    );
  });
}

test('refuses a base for another platform', async () => {
  await using source = await temporaryFolder();
  await using out = await temporaryFolder();
  const base = await baseOf(source.path, join(out.path, 'base'));
  const context = contextOf(source.path, join(out.path, 'own'), {
    base: async () => base,
    platform: { os: 'linux', architecture: 'arm64' },
  });
  const build = buildImage(planned([{ from: '.', to: '/b' }], { base: 'node:24' }), context);
  await assert.rejects(build, /it is for linux\/amd64, and the image for linux\/arm64/);
});
