import { strict as assert } from 'node:assert';
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { execa } from 'execa';
import { pack } from 'tar-stream';
import { buffer } from 'node:stream/consumers';
import { digestOf } from '../kernel/digest.ts';
import { createLayout, openLayout, refNameAnnotation } from '../oci/layout.ts';
import { ociConfig, ociLayerTarGzip, ociManifest } from '../oci/media-types.ts';
import { people, startTestRegistry, type TestRegistry } from './registry.fixture.ts';

const run = async (command: string, args: string[], env: Record<string, string> = {}) =>
  await execa(command, args, { env, reject: false, timeout: 120_000, stdin: 'ignore', all: true });

async function missing(t: TestContext, program: string): Promise<boolean> {
  const { exitCode } = await run(program, ['--version']);
  if (exitCode === 0) return false;
  // oxlint-disable-next-line no-console -- a skipped test is said aloud
  console.warn(`SKIPPED: ${program} is not installed`);
  t.skip(`${program} is not installed`);
  return true;
}

/** A small image that a container engine takes. */
async function imageLayout(folder: string) {
  const layout = await createLayout(folder);
  const archive = pack();
  archive.entry({ name: 'hello.bin' }, randomBytes(2_000_000));
  archive.finalize();
  const tar = await buffer(archive);
  const layer = await layout.addBlob(gzipSync(tar), ociLayerTarGzip);
  const config = {
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
    config: {},
  };
  const configBlob = await layout.addBlob(Buffer.from(JSON.stringify(config)), ociConfig);
  const manifest = { schemaVersion: 2, mediaType: ociManifest, config: configBlob, layers: [layer] };
  const image = await layout.addBlob(Buffer.from(JSON.stringify(manifest)), ociManifest);
  await layout.addEntry(image, { [refNameAnnotation]: 'v1' });
  return image;
}

async function pushWithSkopeo(server: TestRegistry, layout: string): Promise<void> {
  using minted = await server.registry.mintPush({ repository: 'shop/shop', run: 1, ttlMs: 60_000 });
  const args = ['--insecure-policy', 'copy', '--dest-tls-verify=false', '--dest-registry-token', minted.token.reveal()];
  const pushed = await run('skopeo', [...args, `oci:${layout}:v1`, `docker://${server.host}/shop/shop:v1`]);
  assert.equal(pushed.exitCode, 0, pushed.all);
}

test('skopeo pushes with a minted token, pulls with a pull secret and a personal token, and cannot push with either', async (t) => {
  if (await missing(t, 'skopeo')) return;
  await using server = await startTestRegistry();
  const from = join(server.folder, 'from');
  const image = await imageLayout(from);
  await pushWithSkopeo(server, from);
  const pull = await server.registry.mintPull({ environment: 'production', repositories: ['shop/shop'], ttlMs: 60_000 });
  for (const [index, creds] of [`${pull.username}:${pull.password.reveal()}`, `anna:${people.anna}`].entries()) {
    const to = join(server.folder, `to-${index}`);
    const args = ['--insecure-policy', 'copy', '--src-tls-verify=false', '--src-creds', creds];
    const pulled = await run('skopeo', [...args, `docker://${server.host}/shop/shop:v1`, `oci:${to}:v1`]);
    assert.equal(pulled.exitCode, 0, pulled.all);
    assert.equal((await (await openLayout(to)).entries())[0]?.digest, image.digest);
    const pushArgs = ['--insecure-policy', 'copy', '--dest-tls-verify=false', '--dest-creds', creds];
    const refused = await run('skopeo', [...pushArgs, `oci:${from}:v1`, `docker://${server.host}/shop/shop:v2`]);
    assert.notEqual(refused.exitCode, 0);
    assert.match(refused.all ?? '', /denied|nobody pushes|403/i);
  }
  const stolen = await run('skopeo', ['inspect', '--tls-verify=false', '--no-creds', `docker://${server.host}/shop/shop:v1`]);
  assert.notEqual(stolen.exitCode, 0);
});

test('podman pulls with a pull secret', async (t) => {
  if ((await missing(t, 'podman')) || (await missing(t, 'skopeo'))) return;
  await using server = await startTestRegistry();
  const from = join(server.folder, 'from');
  const image = await imageLayout(from);
  await pushWithSkopeo(server, from);
  const pull = await server.registry.mintPull({ environment: 'production', repositories: ['shop/shop'], ttlMs: 60_000 });
  const home = join(server.folder, 'podman');
  await mkdir(home);
  const conf = join(home, 'containers.conf');
  await writeFile(conf, '[engine]\nruntime="runc"\n[containers]\ndefault_ulimits=["nofile=1024:1024","nproc=1000:1000"]\n');
  const policy = join(home, 'policy.json');
  await writeFile(policy, '{"default":[{"type":"insecureAcceptAnything"}]}');
  const own = ['--tmpdir', join(home, 'tmp'), '--root', join(home, 'root'), '--runroot', join(home, 'run'), '--storage-driver', 'vfs'];
  const creds = `${pull.username}:${pull.password.reveal()}`;
  const pullArgs = [...own, 'pull', '--signature-policy', policy, '--tls-verify=false', '--creds', creds];
  const pulled = await run('podman', [...pullArgs, `${server.host}/shop/shop@${image.digest}`], { CONTAINERS_CONF: conf });
  assert.equal(pulled.exitCode, 0, pulled.all);
  const other = await run('podman', [...pullArgs, `${server.host}/other/image:v1`], { CONTAINERS_CONF: conf });
  assert.notEqual(other.exitCode, 0);
  assert.match(other.all ?? '', /does not cover other\/image|denied/i);
  const removed = await run('podman', [...own, 'rmi', '--all', '--force'], { CONTAINERS_CONF: conf });
  assert.equal(removed.exitCode, 0, removed.all);
});

test('containerd pulls with a personal token by the OAuth2 form, and not with a wrong one', async (t) => {
  if (await missing(t, 'containerd')) return;
  const asked: string[] = [];
  await using server = await startTestRegistry({
    wrap: (handle) => (request, response) => {
      response.once('finish', () => asked.push(`${request.method} ${request.url?.split('?', 1)[0]} ${response.statusCode}`));
      return handle(request, response);
    },
  });
  const from = join(server.folder, 'from');
  await imageLayout(from);
  await pushWithSkopeo(server, from);
  const folder = join(server.folder, 'containerd');
  await mkdir(folder);
  const socket = join(folder, 'socket');
  await writeFile(
    join(folder, 'config.toml'),
    `version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\nroot = "${folder}/root"\nstate = "${folder}/state"\n[grpc]\naddress = "${socket}"\n`,
  );
  const daemon = execa('containerd', ['--config', join(folder, 'config.toml')], { reject: false, all: true, stdin: 'ignore' });
  try {
    const fetchAs = (password: string) =>
      run('ctr', ['--address', socket, 'content', 'fetch', '--plain-http', '--user', `anna:${password}`, `${server.host}/shop/shop:v1`]);
    for (let tries = 0; tries < 100 && (await run('ctr', ['--address', socket, 'version'])).exitCode !== 0; tries++)
      await new Promise((resolve) => setTimeout(resolve, 100));
    if ((await run('ctr', ['--address', socket, 'version'])).exitCode !== 0) {
      // oxlint-disable-next-line no-console -- a skipped test is said aloud
      console.warn('SKIPPED: containerd does not start here');
      return t.skip('containerd does not start here');
    }
    asked.length = 0;
    const fetched = await fetchAs(people.anna);
    assert.equal(fetched.exitCode, 0, fetched.all);
    assert.ok(asked.includes('POST /registry/token 200'), asked.join('\n'));
    assert.ok(!asked.includes('GET /registry/token 200'), asked.join('\n'));
    const refused = await fetchAs('guess');
    assert.notEqual(refused.exitCode, 0);
    assert.ok(asked.includes('GET /registry/token 401'), 'containerd falls back');
  } finally {
    daemon.kill('SIGTERM');
    await daemon;
  }
});
