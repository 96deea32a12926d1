import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { execa } from 'execa';
import { pack } from 'tar-stream';
import { endpoints } from '../src/api/endpoints.ts';
import { digestOf, type Digest } from '../src/kernel/digest.ts';
import { Secret } from '../src/kernel/secret.ts';
import { connectRegistry } from '../src/oci/client.ts';
import { openLayout } from '../src/oci/layout.ts';
import { ociConfig, ociLayerTarGzip, ociManifest } from '../src/oci/media-types.ts';
import { must, mustRefuse, type Person } from '../scripts/demo/person.ts';
import { companyRegistry, password, username } from './kit/docker-registry.ts';
import { lacks } from './kit/needs.ts';
import { openWaybill } from './kit/waybill.ts';

const run = async (command: string, args: readonly string[], env: Record<string, string> = {}) =>
  await execa(command, args, { env, reject: false, timeout: 60_000, stdin: 'ignore', all: true });

/** An image that engines take, pushed by the client that everything here uses. */
async function pushBase(host: string, tag: string): Promise<Digest> {
  using client = connectRegistry({ registry: host, plainHttp: true, auth: { username, password: new Secret(password) } });
  const archive = pack();
  archive.entry({ name: 'base.bin' }, randomBytes(3_000_000));
  archive.finalize();
  const tar = await buffer(archive);
  const add = async (bytes: Buffer, mediaType: string) => {
    const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
    await client.putBlob('team/base', { bytes }, descriptor);
    return descriptor;
  };
  const layer = await add(gzipSync(tar), ociLayerTarGzip);
  const config = {
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
    config: {},
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: ociManifest,
    config: await add(Buffer.from(JSON.stringify(config)), ociConfig),
    layers: [layer],
  };
  return (await client.putManifest('team/base', Buffer.from(JSON.stringify(manifest)), ociManifest, { tag })).digest;
}

test('a base image survives the outage of its registry: skopeo, podman, an import, and never the gate', { timeout: 120_000 }, async (t) => {
  if (await lacks(t, 'docker-registry', 'skopeo', 'podman')) return;
  await using waybill = await openWaybill();
  const { admin, dana, rita, scratch, host } = waybill;
  const company = await companyRegistry(scratch);
  await using _ended = company;
  const digest = await pushBase(company.host, 'v1');
  const credential = path.join(scratch, 'credential.json');
  await writeFile(credential, JSON.stringify({ username, password }));
  const add = ['registry', 'add', 'company', '--server', company.host, '--prefix', 'team', '--credential', credential, '--use', 'mirror'];
  await mustRefuse(dana.waybill(...add), /role/);
  assert.match(
    await must(admin.waybill(...add, '--mirror-quota', '50MB', '--mirror-tag-seconds', '0')),
    /REGISTRY\/mirror\/company\/REPOSITORY/,
  );
  await mustRefuse(
    admin.waybill('registry', 'add', 'again', '--server', company.host, '--anonymous', '--use', 'mirror'),
    /has a mirror already/,
  );

  const creds = (person: Person) => `${person.id}:${person.token.reveal()}`;
  const base = `docker://${host}/mirror/company/team/base`;
  const copy = async (to: string, ...more: string[]) =>
    await run('skopeo', ['--insecure-policy', 'copy', '--src-tls-verify=false', ...more, `${base}:v1`, `oci:${path.join(scratch, to)}:v1`]);
  const digestIn = async (name: string) => (await (await openLayout(path.join(scratch, name))).entries())[0]?.digest;

  const first = await copy('first', '--src-creds', creds(dana));
  assert.equal(first.exitCode, 0, first.all);
  assert.equal(await digestIn('first'), digest);
  assert.notEqual((await copy('stolen', '--src-no-creds')).exitCode, 0);
  const pushed = await run('skopeo', [
    '--insecure-policy',
    'copy',
    '--dest-tls-verify=false',
    '--dest-creds',
    creds(admin),
    `oci:${path.join(scratch, 'first')}:v1`,
    `${base}:v2`,
  ]);
  assert.notEqual(pushed.exitCode, 0);
  assert.match(pushed.all ?? '', /denied|nobody pushes|403/i);
  const outside = await run('skopeo', [
    'inspect',
    '--tls-verify=false',
    '--creds',
    creds(dana),
    `docker://${host}/mirror/company/other/base:v1`,
  ]);
  assert.match(outside.all ?? '', /only what is below team/);

  await company[Symbol.asyncDispose]();
  const second = await copy('second', '--src-creds', creds(dana));
  assert.equal(second.exitCode, 0, second.all);
  assert.equal(await digestIn('second'), digest);
  assert.ok(waybill.log.some((line) => line.includes('A tag is served that could not be checked')));

  await t.test('podman, told by registries.conf, gets under the name of the company what that does not give any more', async () => {
    const home = path.join(scratch, 'podman');
    await mkdir(home);
    const file = async (name: string, text: string) => {
      await writeFile(path.join(home, name), text);
      return path.join(home, name);
    };
    const own = ['--tmpdir', path.join(home, 'tmp'), '--root', path.join(home, 'root'), '--runroot', path.join(home, 'run')];
    const env = {
      CONTAINERS_CONF: await file(
        'containers.conf',
        '[engine]\nruntime="runc"\n[containers]\ndefault_ulimits=["nofile=1024:1024","nproc=1000:1000"]\n',
      ),
      CONTAINERS_REGISTRIES_CONF: await file(
        'registries.conf',
        `[[registry]]\nprefix = "${company.host}"\nlocation = "${company.host}"\ninsecure = true\n[[registry.mirror]]\nlocation = "${host}/mirror/company"\ninsecure = true\n`,
      ),
      REGISTRY_AUTH_FILE: await file(
        'auth.json',
        JSON.stringify({ auths: { [host]: { auth: Buffer.from(creds(dana)).toString('base64') } } }),
      ),
    };
    const policy = await file('policy.json', '{"default":[{"type":"insecureAcceptAnything"}]}');
    const pull = ['pull', '--signature-policy', policy, `${company.host}/team/base:v1`];
    const pulled = await run('podman', [...own, '--storage-driver', 'vfs', ...pull], env);
    assert.equal(pulled.exitCode, 0, pulled.all);
    const removed = await run('podman', [...own, '--storage-driver', 'vfs', 'rmi', '--all', '--force'], env);
    assert.equal(removed.exitCode, 0, removed.all);
  });

  await t.test('containerd, told by hosts.toml, finds it by path and by ns=', async (own) => {
    if (await lacks(own, 'containerd', 'ctr')) return;
    const home = path.join(scratch, 'containerd');
    await mkdir(home);
    const socket = path.join(home, 'c.sock');
    const folders = ['--root', path.join(home, 'root'), '--state', path.join(home, 'state')];
    const daemon = spawn('containerd', ['--address', socket, ...folders], { stdio: 'ignore' });
    const ended = new Promise((resolve) => daemon.once('exit', resolve));
    try {
      const ctr = (...args: string[]) => run('ctr', ['--address', socket, '--namespace', 'mirror', ...args]);
      for (let tries = 0; tries < 100 && (await ctr('version')).exitCode !== 0; tries++)
        await new Promise((resolve) => setTimeout(resolve, 100));
      const basic = `Basic ${Buffer.from(creds(dana)).toString('base64')}`;
      for (const [name, place, more] of [
        ['path', `http://${host}/v2/mirror/company`, 'override_path = true'],
        ['ns', `http://${host}`, ''],
      ] as const) {
        const hosts = path.join(home, name);
        await mkdir(path.join(hosts, company.host), { recursive: true });
        await writeFile(
          path.join(hosts, company.host, 'hosts.toml'),
          `[host."${place}"]\ncapabilities = ["pull", "resolve"]\n${more}\n[host."${place}".header]\nAuthorization = ["${basic}"]\n`,
        );
        const fetched = await ctr('content', 'fetch', '--hosts-dir', hosts, `${company.host}/team/base:v1`);
        assert.equal(fetched.exitCode, 0, `${name}: ${fetched.all}`);
        assert.ok((await ctr('content', 'ls', '-q')).stdout.includes(digest));
        assert.equal((await ctr('images', 'rm', '--sync', `${company.host}/team/base:v1`)).exitCode, 0);
      }
    } finally {
      daemon.kill('SIGTERM');
      await ended;
    }
  });

  await t.test('an image is built on it, without a server and without that registry', async () => {
    const logins = path.join(dana.folder, '.config', 'containers');
    await mkdir(logins, { recursive: true });
    await writeFile(
      path.join(logins, 'auth.json'),
      JSON.stringify({ auths: { [host]: { auth: Buffer.from(creds(dana)).toString('base64') } } }),
    );
    await must(dana.git(dana.folder, 'init', '-q'));
    await writeFile(path.join(dana.folder, 'README.md'), 'on a base\n');
    await writeFile(
      path.join(dana.folder, 'waybill.yaml'),
      `version: 1\nstages:\n  - { name: lint, on: [change], steps: [{ run: test -f README.md }] }\nimages:\n  - name: web\n    base: ${host}/mirror/company/team/base:v1\n    layers: [{ from: README.md, to: /README.md }]\n`,
    );
    await must(dana.git(dana.folder, 'add', 'README.md', 'waybill.yaml'));
    assert.match(await must(dana.waybill('image', 'build', '--worktree')), /sha256:[0-9a-f]{64}/);
  });

  await t.test('what is cached has no papers; an import of it has, made while its registry is away', async () => {
    const file = path.join(scratch, 'pod.json');
    const admit = async (image: string) => {
      await writeFile(
        file,
        JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'db' }, spec: { containers: [{ name: 'db', image }] } }),
      );
      return await dana.waybill('admit', '-f', file);
    };
    const cached = `${host}/mirror/company/team/base@${digest}`;
    await mustRefuse(admit(cached), /no papers/);
    await must(dana.waybill('image', 'import', `${company.host}/team/base:v1`, '--reason', 'the base of all', '--as', 'base'));
    await must(rita.waybill('image', 'approve', '1'));
    await must(admit(`${host}/import/base@${digest}`));
    await mustRefuse(admit(cached), /mirror\/company\/team\/base/);
    await mustRefuse(
      dana.waybill('image', 'import', `${company.host}/team/never-pulled:v1`, '--reason', 'x'),
      /does not answer[\s\S]*not in the cache/,
    );
  });

  await t.test('it is shown, kept out of backups and thrown away; nothing tells the password', async () => {
    assert.match(await must(admin.waybill('registry', 'mirror', 'list')), /company[^\n]*50\.0 MB[^\n]*does not answer/);
    assert.match(await must(dana.waybill('registry', 'mirror', 'show', 'company')), new RegExp(`team/base +${digest.slice(0, 19)}… +v1`));
    assert.match(await must(admin.waybill('registry', 'usage')), /MIRROR[\s\S]*company/);
    assert.match(await must(admin.waybill('registry', 'mirror', 'set', 'company', '--quota', '60MB')), /60\.0 MB/);
    await must(admin.waybill('registry', 'fsck', '--deep'));
    await must(admin.waybill('registry', 'gc'));
    assert.equal((await copy('third', '--src-creds', creds(dana))).exitCode, 0);
    const tar = path.join(scratch, 'backup.tar');
    await must(admin.waybill('backup', '--data', waybill.data, '--to', tar));
    assert.ok(!(await run('tar', ['-tf', tar])).stdout.includes('mirror/'));
    await mustRefuse(dana.waybill('registry', 'mirror', 'clear', 'company'), /role/);
    assert.match(await must(admin.waybill('registry', 'mirror', 'clear', 'company')), /Threw away 3 things/);
    const files = await readdir(path.join(waybill.data, 'mirror', 'blobs'), { recursive: true, withFileTypes: true });
    assert.deepEqual(
      files.filter((entry) => entry.isFile()),
      [],
    );
    assert.notEqual((await copy('fourth', '--src-creds', creds(dana))).exitCode, 0);
    await must(admin.waybill('registry', 'remove', 'company'));
    assert.deepEqual(await admin.api.call(endpoints.listMirrors), []);
    const ledger = await must(admin.waybill('ledger', 'export'));
    for (const act of ['external-registry-add', 'mirror-clear', 'external-registry-remove', 'import-request'])
      assert.ok(ledger.includes(act), act);
    const store = await readFile(path.join(waybill.data, 'store.sqlite'), 'latin1');
    for (const form of [password, Buffer.from(`${username}:${password}`).toString('base64')])
      assert.ok(![ledger, ...waybill.log, store].some((text) => text.includes(form)));
  });
});
