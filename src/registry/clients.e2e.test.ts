/** Programs that people have, against a registry that asks for tokens: what they may read, what they are refused, and what they say then. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { buffer } from 'node:stream/consumers';
import { execa } from 'execa';
import { pack } from 'tar-stream';
import { digestOf } from '../kernel/digest.ts';
import { connectRegistry } from '../oci/client.ts';
import { createLayout, refNameAnnotation } from '../oci/layout.ts';
import { ociConfig, ociIndex, ociLayerTarGzip, ociManifest } from '../oci/media-types.ts';
import { findProgram, skip } from '../../test/kit/needs.ts';
import { startDocker, type Docker } from '../../test/kit/docker.ts';
import { startTestRegistry, type TestRegistry } from './registry.fixture.ts';

type Ready = {
  readonly server: TestRegistry;
  readonly docker: Docker | string;
  readonly image: string;
  readonly index: string;
  readonly paper: string;
  readonly login: { readonly username: string; readonly password: string };
};
let ready: Ready;
const held = new AsyncDisposableStack();

before(async () => {
  const server = held.use(await startTestRegistry());
  const docker = await startDocker();
  if (typeof docker !== 'string') held.use(docker);
  ready = { server, docker, ...(await publish(server)) };
});
after(() => held.disposeAsync());

/** shop/shop:v1 is an index of one image for this machine, with a paper. */
async function publish(server: TestRegistry): Promise<Omit<Ready, 'server' | 'docker'>> {
  const layout = await createLayout(join(server.folder, 'made'));
  const archive = pack();
  archive.entry({ name: 'hello' }, 'hello\n');
  archive.finalize();
  const tar = await buffer(archive);
  const layer = await layout.addBlob(gzipSync(tar), ociLayerTarGzip);
  const platform = { os: 'linux', architecture: process.arch === 'arm64' ? 'arm64' : 'amd64' };
  const config = { ...platform, rootfs: { type: 'layers', diff_ids: [digestOf(tar)] }, config: { Cmd: ['/hello'] } };
  const configBlob = await layout.addBlob(Buffer.from(JSON.stringify(config)), ociConfig);
  const manifest = { schemaVersion: 2, mediaType: ociManifest, config: configBlob, layers: [layer] };
  const image = await layout.addBlob(Buffer.from(JSON.stringify(manifest)), ociManifest);
  const document = { schemaVersion: 2, mediaType: ociIndex, manifests: [{ ...image, platform }] };
  const index = await layout.addBlob(Buffer.from(JSON.stringify(document)), ociIndex);
  await layout.addEntry(index, { [refNameAnnotation]: 'v1' });
  using minted = await server.registry.mintPush({ repository: 'shop/shop', run: 1, ttlMs: 60_000 });
  using client = connectRegistry({ registry: server.host, plainHttp: true, auth: { bearer: minted.token } });
  await client.pushLayout(layout.folder, index.digest, 'shop/shop', { tag: 'v1' });
  const paper = await client.attachReferrer('shop/shop', index, {
    artifactType: 'application/vnd.example.paper',
    blob: Buffer.from('{}'),
    blobMediaType: 'application/json',
  });
  const pull = await server.registry.mintPull({ environment: 'production', repositories: ['shop/shop'], ttlMs: 600_000 });
  const login = { username: pull.username, password: pull.password.reveal() };
  return { image: image.digest, index: index.digest, paper: paper.digest, login };
}

type Call = (args: readonly string[], input?: string) => Promise<{ ok: boolean; text: string }>;

function caller(program: string, env: Readonly<Record<string, string>>): Call {
  return async (args, input) => {
    const options = { env, reject: false, timeout: 60_000, all: true, ...(input === undefined ? { stdin: 'ignore' as const } : { input }) };
    const { exitCode, all } = await execa(program, args, options);
    return { ok: exitCode === 0, text: String(all) };
  };
}

async function works(call: Call, args: readonly string[], input?: string): Promise<string> {
  const { ok, text } = await call(args, input);
  assert.ok(ok, `${args.join(' ')}: ${text}`);
  return text;
}

async function refused(call: Call, args: readonly string[], why: RegExp): Promise<void> {
  const { ok, text } = await call(args);
  assert.ok(!ok, `${args.join(' ')} was not refused`);
  assert.match(text, why);
}

async function program(t: TestContext, name: string): Promise<{ call: Call; home: string } | undefined> {
  const file = await findProgram(name, `WAYBILL_${name.toUpperCase()}`);
  if (file === undefined) return void skip(t, `${name} is not installed`);
  const home = join(ready.server.folder, name);
  await mkdir(home, { recursive: true });
  return { call: caller(file, { HOME: home, DOCKER_CONFIG: home }), home };
}

const nobodyPushes = /denied|nobody pushes|only the pipeline pushes|403/i;

test('docker logs in, pulls by tag and by digest, runs nothing it may not have, and cannot push', async (t) => {
  const { docker, server, login, index } = ready;
  if (typeof docker === 'string') return skip(t, docker);
  const call = caller('docker', docker.environment);
  const { host } = server;
  await refused(call, ['pull', `${host}/shop/shop:v1`], /unauthorized|authentication required|no basic auth/i);
  const wrong = await call(['login', '--username', login.username, '--password-stdin', host], 'not-the-password');
  assert.ok(!wrong.ok, wrong.text);
  assert.match(wrong.text, /unauthorized|401/i);
  assert.match(await works(call, ['login', '--username', login.username, '--password-stdin', host], login.password), /Login Succeeded/);
  await works(call, ['pull', `${host}/shop/shop:v1`]);
  assert.match(await works(call, ['pull', `${host}/shop/shop@${index}`]), new RegExp(index));
  await works(call, ['tag', `${host}/shop/shop:v1`, `${host}/shop/shop:v2`]);
  await refused(call, ['push', `${host}/shop/shop:v2`], nobodyPushes);
  await refused(call, ['pull', `${host}/other/image:v1`], /403 Forbidden|denied/i);
  await works(call, ['logout', host]);
  await refused(call, ['pull', `${host}/shop/shop:v1`], /unauthorized|authentication required|no basic auth/i);
});

test('containerd pulls with a pull secret, by tag and by digest, and not without', async (t) => {
  const { docker, server, login, index } = ready;
  if (typeof docker === 'string') return skip(t, docker);
  const call = caller('ctr', docker.environment);
  const ctr = ['--address', docker.containerd, '--namespace', 'test', 'images', 'pull', '--plain-http', '--snapshotter', 'native'];
  for (const reference of [`${server.host}/shop/shop:v1`, `${server.host}/shop/shop@${index}`]) {
    await refused(call, [...ctr, reference], /401|unauthorized|authorization/i);
    await works(call, [...ctr, '--user', `${login.username}:${login.password}`, reference]);
  }
  await refused(call, [...ctr, '--user', `${login.username}:${login.password}`, `${server.host}/other/image:v1`], /403|denied|forbidden/i);
});

test('oras logs in, finds papers, copies an image with all of them, and cannot attach one', async (t) => {
  const oras = await program(t, 'oras');
  if (!oras) return;
  const { server, login, index, paper } = ready;
  const image = `${server.host}/shop/shop:v1`;
  await works(oras.call, ['login', '--plain-http', '--username', login.username, '--password-stdin', server.host], login.password);
  assert.match(await works(oras.call, ['discover', '--plain-http', '--format', 'json', image]), new RegExp(paper));
  assert.equal((await works(oras.call, ['resolve', '--plain-http', image])).trim(), index);
  assert.match(await works(oras.call, ['repo', 'tags', '--plain-http', `${server.host}/shop/shop`]), /^v1$/m);
  const layout = join(oras.home, 'copy');
  await works(oras.call, ['copy', '--recursive', '--from-plain-http', '--to-oci-layout', image, `${layout}:v1`]);
  assert.match(await works(oras.call, ['discover', '--oci-layout', '--format', 'json', `${layout}:v1`]), new RegExp(paper));
  await writeFile(join(oras.home, 'note.txt'), 'mine\n');
  // One after the other: oras 1.2 panics when two uploads are refused at once.
  const attach = [
    'attach',
    '--concurrency',
    '1',
    '--plain-http',
    '--disable-path-validation',
    '--artifact-type',
    'application/vnd.example.forged',
    image,
  ];
  await refused(oras.call, [...attach, join(oras.home, 'note.txt')], nobodyPushes);
});

test('crane reads digests, manifests and tags, pulls, and cannot copy into the registry', async (t) => {
  const crane = await program(t, 'crane');
  if (!crane) return;
  const { server, login, index } = ready;
  const image = `${server.host}/shop/shop:v1`;
  await works(crane.call, ['auth', 'login', server.host, '--username', login.username, '--password-stdin'], login.password);
  assert.equal((await works(crane.call, ['digest', image])).trim(), index);
  assert.equal(digestOf(await works(crane.call, ['manifest', image])), index);
  assert.equal((await works(crane.call, ['ls', `${server.host}/shop/shop`])).trim(), 'v1');
  await works(crane.call, ['pull', '--format', 'oci', image, join(crane.home, 'pulled')]);
  await works(crane.call, ['validate', '--remote', image]);
  await refused(crane.call, ['copy', image, `${server.host}/shop/shop:v2`], nobodyPushes);
  await refused(crane.call, ['tag', image, 'v2'], nobodyPushes);
  await refused(crane.call, ['delete', `${server.host}/shop/shop@${index}`], nobodyPushes);
});

test('skopeo copies an index with everything in it, digests kept', async (t) => {
  const skopeo = await program(t, 'skopeo');
  if (!skopeo) return;
  const { server, login, index } = ready;
  const from = ['--src-tls-verify=false', '--src-creds', `${login.username}:${login.password}`];
  const image = `docker://${server.host}/shop/shop:v1`;
  const copied = join(skopeo.home, 'all');
  await works(skopeo.call, ['--insecure-policy', 'copy', '--all', '--preserve-digests', ...from, image, `oci:${copied}:v1`]);
  assert.equal(digestOf(await works(skopeo.call, ['inspect', '--raw', `oci:${copied}:v1`])), index);
});
