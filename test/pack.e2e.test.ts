import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { cli } from './kit/cli.ts';
import { skip } from './kit/needs.ts';
import { root } from './kit/waybill.ts';

const pipeline = `version: 1
defaults: { network: none, timeout: 1m }
stages:
  - { name: lint, on: [change], steps: [{ run: cat waybill.yaml }] }
`;

/** What a clone would have: the files that git knows, as they are in the working tree. */
async function clone(to: string): Promise<void> {
  const { stdout } = await execa('git', ['ls-files', '-z'], { cwd: root });
  for (const file of stdout.split('\0').filter((name) => name !== ''))
    await cp(path.join(root, file), path.join(to, file), { recursive: true, verbatimSymlinks: true }).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      },
    );
  await symlink(path.join(root, 'node_modules'), path.join(to, 'node_modules'));
}

test('the package as others install it', { timeout: 600_000 }, async (t) => {
  const scratch = await mkdtemp(path.join(tmpdir(), 'waybill-pack-'));
  t.after(() => rm(scratch, { recursive: true, force: true, maxRetries: 3 }));
  const [source, empty] = [path.join(scratch, 'source'), path.join(scratch, 'empty')];
  await clone(source);
  const npm = (cwd: string, ...args: string[]) =>
    execa('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error', '--no-update-notifier'], {
      cwd,
      timeout: 400_000,
      reject: false,
      all: true,
    });

  const packed = await npm(source, 'pack', '--json', '--pack-destination', scratch);
  assert.equal(packed.exitCode, 0, packed.all);
  const [{ filename, files }] = JSON.parse(packed.stdout.slice(packed.stdout.indexOf('[\n'))) as [
    { filename: string; files: { path: string; mode: number }[] },
  ];

  await t.test('holds what runs and what is read, and nothing else', () => {
    const names = files.map((file) => file.path);
    for (const wanted of ['bin/waybill', 'dist/main/cli.js', 'dist/source/local/hook.mjs', 'README.md', 'LICENSE', 'CHANGELOG.md'])
      assert.ok(names.includes(wanted), `${wanted} is in the package`);
    assert.deepEqual(
      names.filter((name) => /\.ts$|\.test\.|\/test(ing|-)|fixture|^(src|test|scripts|bench|node_modules)\//.test(name)),
      [],
    );
    assert.equal((files.find((file) => file.path === 'bin/waybill')?.mode ?? 0) & 0o111, 0o111);
  });

  await t.test('leaves no dist/ behind in the clone, and a clone with one runs its sources all the same', async () => {
    assert.ok(!(await readdir(source)).includes('dist'));
    await mkdir(path.join(source, 'dist', 'main'), { recursive: true });
    await writeFile(path.join(source, 'dist', 'main', 'cli.js'), 'throw new Error("the copy of yesterday")');
    const said = await cli(['--version'], { cwd: source, program: path.join(source, 'bin', 'waybill') });
    assert.equal(said.status, 0, said.err);
  });

  await t.test('installed into an empty folder, npx waybill works', async (t) => {
    await mkdir(empty);
    await writeFile(path.join(empty, 'package.json'), '{"private":true}');
    // First with what the machine has; a registry is asked only for what its cache lacks.
    const installed = await npm(empty, 'install', '--prefer-offline', `../${filename}`);
    if (installed.exitCode !== 0 && /ENOTCACHED|ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT/.test(installed.all))
      return skip(t, 'no package registry is reachable');
    assert.equal(installed.exitCode, 0, installed.all);
    await writeFile(path.join(empty, 'waybill.yaml'), pipeline);
    const npx = (...args: string[]) => cli(['--no-install', 'waybill', ...args], { cwd: empty, program: 'npx', timeoutMs: 120_000 });
    const version = await npx('--version');
    assert.match(version.out, /^\d+\.\d+\.\d+\n$/, version.err);
    const lint = await npx('lint');
    assert.match(lint.out, /valid/, lint.err);
    const run = await npx('run');
    assert.equal(run.status, 0, run.out + run.err);
    assert.match(run.out, /✔ passed lint/);
    const data = path.join(scratch, 'data');
    const init = await npx('init', '--data', data, '--port', '0');
    assert.equal(init.status, 0, init.err);
    return undefined;
  });
});
