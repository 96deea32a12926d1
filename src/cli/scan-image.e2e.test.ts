import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { Spec, Validation } from '@cyclonedx/cyclonedx-library';
import { execa } from 'execa';
import { buildImage } from '../image/layers/build-image.ts';
import { contextOf, planned, temporaryFolder } from '../image/layers/test-build.ts';
import { systemClock } from '../kernel/clock.ts';
import { folderSource } from '../scan/advisories/folder-source.ts';
import { updateDatabase } from '../scan/advisories/update.ts';
import { writeZip } from '../scan/advisories/zip.fixture.ts';
import { fillExample } from '../scan/secrets/examples.ts';
import type { CliContext } from './context.ts';
import { runCli } from './program.ts';

const secret = fillExample('ghp_<crc62>', 'image');
const status = '/var/lib/dpkg/status';
type Said = { status: number; out: string; err: string };
type Told = {
  passed: boolean;
  coverage: { components: number; files: number; databases: { ecosystem: string; advisories: number }[] };
  findings: {
    kind: string;
    rule?: string;
    id?: string;
    title: string;
    fix: string;
    places: { path: string; layer?: { createdBy: string } }[];
  }[];
};

/** A command line with advisories for Debian 12 and npm. */
async function commandLine(root: string): Promise<(...args: string[]) => Promise<Said>> {
  const records = [
    ['DEBIAN-CVE-2099-1', 'Debian:12', 'bash', 'ECOSYSTEM'],
    ['GHSA-1', 'npm', 'lodash', 'SEMVER'],
  ].map(([id, ecosystem, name, type]) => ({
    id,
    modified: '2026-01-01T00:00:00Z',
    summary: 'It breaks',
    severity: [{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' }],
    affected: [{ package: { ecosystem, name }, ranges: [{ type, events: [{ introduced: '0' }, { fixed: '99.0.0' }] }] }],
  }));
  const folder = path.join(root, 'advisories');
  await mkdir(path.join(root, 'records'));
  for (const record of records) await writeFile(path.join(root, 'records', `${record.id}.json`), JSON.stringify(record));
  const signal = AbortSignal.timeout(100_000);
  const source = folderSource(path.join(root, 'records'));
  await updateDatabase({ folder, source, ecosystems: ['npm', 'Debian'], clock: systemClock, signal });
  return async (...args) => {
    let code = 0;
    const out: string[] = [];
    const err: string[] = [];
    const context = {
      cwd: root,
      version: '1.0.0',
      colour: false,
      interactive: false,
      signal,
      advisories: folder,
      data: root,
      registryLogins: [],
      out: (line: string) => void out.push(line),
      note: (line: string) => void err.push(line),
      exitWith: (to: number) => void (code = to),
    } as unknown as CliContext;
    await runCli(args, context);
    return { status: code, out: out.join('\n'), err: err.join('\n') };
  };
}

async function put(folder: string, name: string, content: string | Buffer): Promise<void> {
  await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
  await writeFile(path.join(folder, name), content);
}

async function missing(t: TestContext, ...programs: readonly string[]): Promise<boolean> {
  for (const program of programs) {
    const { failed } = await execa(program, ['--version'], { reject: false, timeout: 10_000 });
    if (!failed) continue;
    // oxlint-disable-next-line no-console -- a skipped test must be loud
    console.warn(`SKIPPED: ${program} is missing, so its images were not looked into`);
    t.skip(`${program} is missing`);
    return true;
  }
  return false;
}

suite('waybill scan image', () => {
  test(
    'an image of buildah: the packages of a real Debian, what a later layer hides, set-uid files, jars, Go programs',
    { timeout: 120_000 },
    async (t) => {
      if (await missing(t, 'buildah', 'skopeo')) return;
      if (!existsSync('/bin/busybox') || !existsSync(status)) {
        // oxlint-disable-next-line no-console -- a skipped test must be loud
        console.warn('SKIPPED: there is no busybox or no dpkg here to make an image of');
        return t.skip('no busybox or no dpkg');
      }
      await using folder = await temporaryFolder();
      const root = folder.path;
      const tree = path.join(root, 'tree');
      await mkdir(path.join(tree, 'bin'), { recursive: true });
      await copyFile('/bin/busybox', path.join(tree, 'bin/busybox'));
      await chmod(path.join(tree, 'bin/busybox'), 0o755);
      await put(tree, 'var/lib/dpkg/status', await readFile(status));
      await put(tree, 'usr/lib/os-release', 'ID=debian\nVERSION_ID="12"\n');
      await put(tree, 'app/.env', `TOKEN=${secret}\n`);
      await put(tree, 'app/node_modules/lodash/package.json', '{"name":"lodash","version":"4.0.0"}');
      await mkdir(path.join(tree, 'usr/local/bin'), { recursive: true });
      const buildah = (await execa('which', ['buildah'])).stdout;
      await copyFile(buildah, path.join(tree, 'usr/local/bin/a-go-program'));
      await writeZip(path.join(tree, 'app/log.jar'), [
        { name: 'META-INF/maven/org.x/log/pom.properties', content: 'groupId=org.x\nartifactId=log\nversion=2.14.1\n' },
      ]);
      await put(
        root,
        'Containerfile',
        'FROM scratch\nCOPY tree/ /\nRUN ["/bin/busybox", "chmod", "4755", "/bin/busybox"]\nRUN ["/bin/busybox", "ln", "-s", "../usr/lib/os-release", "/etc/os-release"]\nRUN ["/bin/busybox", "rm", "-r", "/app/.env", "/app/node_modules"]\nUSER root\n',
      );
      await put(tree, 'etc/motd', 'x');
      await put(
        root,
        'containers.conf',
        '[containers]\ndefault_ulimits=["nofile=1024:1024","nproc=1000:1000"]\n[engine]\nruntime="runc"\n',
      );
      const run = (...args: readonly string[]) =>
        execa('buildah', ['--root', path.join(root, 'root'), '--runroot', path.join(root, 'run'), '--storage-driver', 'vfs', ...args], {
          env: { CONTAINERS_CONF: path.join(root, 'containers.conf') },
          cwd: root,
          timeout: 90_000,
        });
      await run('bud', '--layers', '--isolation', 'chroot', '--network', 'host', '-t', 'shop', '.');
      const waybill = await commandLine(root);
      const packages = (await execa('dpkg-query', ['-W', '-f', '${db:Status-Status}\n'])).stdout
        .split('\n')
        .filter((each) => each === 'installed').length;
      let last: unknown;
      for (const compression of ['gzip', 'zstd', 'zstd:chunked'] as const) {
        const layout = path.join(root, compression.replace(':', '-'));
        const pushed = await run('push', '--compression-format', compression, '-q', 'shop', `oci:${layout}:shop`).catch(
          (error: Error) => error,
        );
        if (pushed instanceof Error) {
          t.diagnostic(`buildah pushes no ${compression}: ${pushed.message.split('\n')[0]}`);
          assert.equal(compression, 'zstd:chunked');
          continue;
        }
        const said = await waybill('scan', 'image', layout, '--format', 'json', '--fail', 'any');
        const { findings, coverage, passed } = JSON.parse(said.out) as Told;
        assert.equal(passed, false);
        // A jar and a program bring ecosystems of which there are no advisories here: that is not "nothing found".
        assert.equal(said.status, 2, said.err);
        assert.match(said.err, /there are no advisories: Go, Maven/);
        assert.equal(coverage.components, packages + 2);
        assert.equal(coverage.databases.find(({ ecosystem }) => ecosystem === 'Debian:12')?.advisories, 1);
        const leak = findings.find(({ kind }) => kind === 'secret');
        assert.match(leak?.places[0]?.layer?.createdBy ?? '', /COPY/);
        assert.match(leak?.fix ?? '', /later layer hides it/);
        assert.equal(said.out.includes(secret), false);
        const bash = findings.find(({ id }) => id === 'CVE-2099-1' || id === 'DEBIAN-CVE-2099-1');
        assert.match(bash?.title ?? '', /bash/);
        assert.match(bash?.places[0]?.path ?? '', /var\/lib\/dpkg\/status/);
        assert.equal(
          findings.some(({ title }) => title.includes('lodash')),
          false,
        );
        assert.deepEqual(findings.flatMap(({ kind, rule }) => (kind === 'image' ? [rule] : [])).toSorted(), [
          'root-user',
          'setuid',
          'shell',
        ]);
        // However it is compressed, it is the same.
        const same = findings.map(({ kind, title, fix }) => [kind, title, fix]);
        last ??= same;
        assert.deepEqual(same, last);
      }
      const table = await waybill('scan', 'image', path.join(root, 'gzip'), '--platform', 'linux');
      assert.match(table.out, /app\/\.env:1:7 {2}layer [0-9a-f]{12}: .*COPY/);
      assert.equal((await waybill('scan', 'image', path.join(root, 'gzip'), '--platform', 'plan9/mips')).status, 2);
    },
  );

  test('an image that Waybill has built, in every format; a damaged one and a lost layer are no answer', { timeout: 60_000 }, async () => {
    await using folder = await temporaryFolder();
    const root = folder.path;
    const tree = path.join(root, 'tree');
    await put(tree, 'node_modules/lodash/package.json', '{"name":"lodash","version":"4.0.0"}');
    await put(tree, 'app.js', 'console.log(1)');
    const layout = path.join(root, 'layout');
    const built = await buildImage(planned([{ from: '.', to: '/app/' }], { config: { user: '1000' } }), contextOf(tree, layout));
    const waybill = await commandLine(root);
    const table = await waybill('scan', 'image', layout);
    assert.equal(table.status, 1, table.out + table.err);
    assert.match(table.out, /critical {2}GHSA-1 in lodash 4\.0\.0[^]*app\/node_modules\/lodash\/package\.json {2}layer/);
    assert.match(table.out, /Looked at \d+ files.*1 components.*rules.*1 advisories for npm/);
    assert.equal((await waybill('scan', 'image', layout, '--fail', 'report')).status, 0);
    const log = JSON.parse((await waybill('scan', 'image', layout, '--format', 'sarif')).out) as {
      runs: { results: { ruleId: string; locations: { properties: { layer: string } }[] }[] }[];
    };
    assert.deepEqual(
      log.runs[0]?.results.map(({ ruleId, locations }) => [
        ruleId,
        built.layers.some(({ digest }) => digest === locations[0]?.properties.layer),
      ]),
      [['GHSA-1', true]],
    );
    const sbom = (await waybill('scan', 'image', layout, '--format', 'cyclonedx')).out;
    assert.equal(await new Validation.JsonStrictValidator(Spec.Version.v1dot6).validate(sbom), null);
    assert.match(sbom, /pkg:npm\/lodash@4\.0\.0/);
    const largest = built.layers[0];
    assert.ok(largest);
    const blob = path.join(layout, 'blobs/sha256', largest.digest.slice('sha256:'.length));
    const bytes = await readFile(blob);
    for (const wrong of [
      bytes.subarray(0, -5),
      Buffer.concat([bytes, Buffer.from('more')]),
      Buffer.from(bytes).fill(0, bytes.length >> 1),
    ]) {
      await writeFile(blob, wrong);
      const said = await waybill('scan', 'image', layout, '--fail', 'report');
      assert.deepEqual([said.status, said.out], [2, ''], said.err);
    }
    assert.equal((await waybill('scan', 'image', path.join(root, 'nowhere'))).status, 2);
  });

  test('with --base only what is not in the other image is new, by the same rules and advisories', { timeout: 60_000 }, async () => {
    await using folder = await temporaryFolder();
    const root = folder.path;
    const tree = path.join(root, 'tree');
    const build = (layout: string) =>
      buildImage(planned([{ from: '.', to: '/app/' }], { config: { user: '1000' } }), contextOf(tree, layout));
    const [old, next] = [path.join(root, 'old'), path.join(root, 'next')];
    await put(tree, 'node_modules/lodash/package.json', '{"name":"lodash","version":"4.0.0"}');
    await build(old);
    // Another version and another place of what was vulnerable already, and a credential.
    await put(tree, 'node_modules/lodash/package.json', '{"name":"lodash","version":"4.1.0"}');
    await put(tree, 'app.env', `TOKEN=${secret}\n`);
    await build(next);
    const waybill = await commandLine(root);
    const states = async (...args: string[]) => {
      const said = await waybill('scan', 'image', ...args, '--format', 'json');
      const { findings } = JSON.parse(said.out) as { findings: { kind: string; isNew: boolean; fails: boolean }[] };
      return [said.status, findings.map(({ kind, isNew, fails }) => `${kind}${isNew ? ' new' : ''}${fails ? ' fails' : ''}`).toSorted()];
    };
    assert.deepEqual(await states(next), [1, ['secret new fails', 'vulnerability new fails']]);
    assert.deepEqual(await states(next, '--base', old), [1, ['secret new fails', 'vulnerability']]);
    assert.deepEqual(await states(old, '--base', next), [0, ['vulnerability']]);
    assert.deepEqual(await states(next, '--base', next), [0, ['secret', 'vulnerability']]);
    assert.deepEqual(await states(next, '--base', old, '--fail', 'report'), [0, ['secret new', 'vulnerability']]);
    const table = await waybill('scan', 'image', next, '--base', old);
    assert.match(table.out, /compared with .*old.* \(sha256:[0-9a-f]{12}…\): 1 new, 1 in both/);
    const log = JSON.parse((await waybill('scan', 'image', next, '--base', old, '--format', 'sarif')).out) as {
      runs: { results: { baselineState: string }[] }[];
    };
    assert.deepEqual(log.runs[0]?.results.map(({ baselineState }) => baselineState).toSorted(), ['new', 'unchanged']);
    const lost = await waybill('scan', 'image', next, '--base', path.join(root, 'nowhere'));
    assert.deepEqual([lost.status, lost.out], [2, '']);
    assert.match((await waybill('scan', 'image', next, '--base', old, '--platform', 'plan9/mips')).err, /is not for plan9\/mips/);
  });
});
