import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { Spec, Validation } from '@cyclonedx/cyclonedx-library';
import { systemClock } from '../kernel/clock.ts';
import { folderSource } from '../scan/advisories/folder-source.ts';
import { updateDatabase } from '../scan/advisories/update.ts';
import { parseVex } from '../scan/advisories/vex-document.ts';
import type { CliContext } from './context.ts';
import { runCli } from './program.ts';

const advisory = (id: string, name: string, fixed: string, alias: string) => ({
  id,
  modified: '2026-01-01T00:00:00Z',
  aliases: [alias],
  summary: 'It breaks',
  severity: [{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' }],
  affected: [{ package: { ecosystem: 'npm', name }, ranges: [{ type: 'SEMVER', events: [{ introduced: '0' }, { fixed }] }] }],
});

const lock = (packages: Readonly<Record<string, object>>) =>
  JSON.stringify({ lockfileVersion: 3, packages: { '': { dependencies: { a: '1', b: '1' } }, ...packages } }, null, 1);
const withA = lock({ 'node_modules/a': { version: '1.0.0' } });
const withBoth = lock({ 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { version: '1.0.0', dependencies: { a: '1' } } });
const pythonLock = '[[package]]\nname = "django"\nversion = "1.0"\n';

/** A repository with one commit and files beside it, a database of two advisories for npm, and a command line in it. */
async function world(t: TestContext, committed: Readonly<Record<string, string>>, beside: Readonly<Record<string, string>> = {}) {
  const root = await mkdtemp(path.join(tmpdir(), 'waybill-deps-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const folder = path.join(root, 'advisories');
  await mkdir(path.join(root, 'records'));
  const records = [advisory('GHSA-1', 'a', '1.0.1', 'CVE-2026-1'), advisory('GHSA-2', 'b', '2.0.0', 'CVE-2026-2')];
  for (const record of records) await writeFile(path.join(root, 'records', `${record.id}.json`), JSON.stringify(record));
  const signal = AbortSignal.timeout(60_000);
  const source = folderSource(path.join(root, 'records'));
  await updateDatabase({ folder, source, ecosystems: ['npm'], clock: systemClock, signal });
  const cwd = path.join(root, 'shop');
  const write = async (files: Readonly<Record<string, string>>) => {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(cwd, name)), { recursive: true });
      await writeFile(path.join(cwd, name), text);
    }
  };
  await write(committed);
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=Anna', '-c', 'user.email=anna@example.com', ...args], { cwd, stdio: 'pipe' });
  git('init', '-q', '-b', 'main');
  git('config', 'user.email', 'anna@example.com');
  git('add', '-A');
  git('commit', '-q', '-m', 'one');
  await write(beside);
  return {
    cwd,
    write,
    git,
    async waybill(...args: string[]) {
      let status = 0;
      const out: string[] = [];
      const err: string[] = [];
      const context = {
        cwd,
        version: '1.0.0',
        colour: false,
        interactive: false,
        signal,
        advisories: folder,
        data: root,
        registryLogins: [],
        out: (line: string) => void out.push(line),
        note: (line: string) => void err.push(line),
        exitWith: (to: number) => void (status = to),
      } as unknown as CliContext;
      await runCli(args, context);
      return { status, out: out.join('\n'), err: err.join('\n') };
    },
  };
}

suite('waybill scan deps', () => {
  test('it tells what is vulnerable, how bad, where, how it came in and what to do; and with --base only what is new fails', async (t) => {
    const { waybill } = await world(t, { 'package-lock.json': withA }, { 'package-lock.json': withBoth });
    const all = await waybill('scan', 'deps');
    assert.equal(all.status, 1);
    assert.match(all.out, /critical {2}CVE-2026-1 in a 1\.0\.0: It breaks\n {10}package-lock\.json:\d+\n {10}by \.\/ › a@1\.0\.0/);
    assert.match(all.out, /fix Take a 1\.0\.1\./);
    assert.match(all.out, /2 of 2 fail/);
    const since = JSON.parse((await waybill('scan', 'deps', '--base', 'HEAD', '--format', 'json')).out) as {
      findings: { id: string; isNew: boolean; fails: boolean }[];
    };
    assert.deepEqual(
      since.findings.map(({ id, isNew, fails }) => [id, isNew, fails]),
      [
        ['CVE-2026-1', false, false],
        ['CVE-2026-2', true, true],
      ],
    );
    assert.equal((await waybill('scan', 'deps', '--base', 'HEAD', '--fail', 'report')).status, 0);
    const gone = await waybill('scan', 'deps', '--base', 'nowhere');
    assert.equal(gone.status, 2);
    assert.match(gone.err, /"nowhere" is no commit/);
  });

  test('the base may be the last release: a tag, light or annotated, or what git describe says', async (t) => {
    const { waybill, git, write } = await world(t, { 'package-lock.json': withA });
    git('tag', '-a', 'v1.0.0', '-m', 'the first');
    git('tag', 'light');
    await write({ 'package-lock.json': withBoth });
    git('commit', '-q', '-a', '-m', 'two');
    for (const base of ['v1.0.0', 'light', 'refs/tags/v1.0.0', git('describe', '--tags', '--abbrev=0').toString('utf8').trim()]) {
      const { findings } = JSON.parse((await waybill('scan', 'deps', '--base', base, '--format', 'json')).out) as {
        findings: { id: string; isNew: boolean }[];
      };
      const fresh = findings.flatMap(({ id, isNew }) => (isNew ? [id] : []));
      assert.deepEqual(fresh, ['CVE-2026-2'], base);
    }
  });

  test('a subfolder is compared with the same subfolder, and one that is new with nothing', async (t) => {
    const { waybill } = await world(t, { 'web/package-lock.json': withA }, { 'api/package-lock.json': withA });
    assert.equal((await waybill('scan', 'deps', 'web', '--base', 'HEAD')).status, 0);
    assert.equal((await waybill('scan', 'deps', 'web/package-lock.json', '--base', 'HEAD')).status, 0);
    assert.equal((await waybill('scan', 'deps', 'api', '--base', 'HEAD')).status, 1);
  });

  test('what Git ignores is looked at when it is asked for, and nothing found in nothing is told', async (t) => {
    const installed = JSON.stringify({ name: 'a', version: '1.0.0' });
    const { waybill } = await world(t, { '.gitignore': 'node_modules\n' }, { 'node_modules/a/package.json': installed });
    const seen = await waybill('scan', 'deps');
    assert.equal(seen.status, 0);
    assert.match(seen.err, /no lock file and no installed package in \. that Git sees/);
    assert.equal((await waybill('scan', 'deps', '--all-files')).status, 1);
  });

  test('waivers and VEX of the repository count, those that meet nothing are told, and what is found is written as VEX', async (t) => {
    const vex = (id: string) =>
      JSON.stringify({
        '@context': 'https://openvex.dev/ns/v0.2.0',
        '@id': `https://example.com/${id}`,
        author: 'team',
        timestamp: '2026-01-01T00:00:00Z',
        version: 1,
        statements: [
          {
            vulnerability: { name: id },
            products: [{ '@id': 'pkg:npm/b' }],
            status: 'not_affected',
            justification: 'component_not_present',
          },
        ],
      });
    const expires = new Date(Date.now() + 10 * 86_400_000).toISOString().slice(0, 10);
    const { waybill, cwd } = await world(t, {
      'package-lock.json': withBoth,
      '.waybill/waivers.yaml': `version: 1\nvulnerabilities:\n  - { id: GHSA-1, package: a, reason: never called, owner: anna, expires: ${expires} }\n`,
      '.waybill/vex/one.json': vex('CVE-2026-2'),
      'more.json': vex('CVE-2026-77'),
    });
    const said = await waybill('scan', 'deps', '--vex', 'more.json', '--vex-out', 'out.json');
    assert.equal(said.status, 0, said.out + said.err);
    assert.match(said.out, /accepted by anna until/);
    assert.match(said.out, /does no harm: component not present \(team\)/);
    assert.match(said.out, /a statement of VEX meets nothing here: CVE-2026-77/);
    const written = parseVex(await readFile(path.join(cwd, 'out.json'), 'utf8'), 'out.json');
    assert.equal(written.author, 'anna@example.com');
    assert.deepEqual(
      written.statements.map(({ status, status_notes: notes }) => [status, notes?.startsWith('accepted: never called')]),
      [
        ['affected', true],
        ['not_affected', undefined],
      ],
    );
    assert.equal((await waybill('scan', 'deps', '--vex', 'gone.json')).status, 2);
  });

  test('without advisories nothing passes: status 2, also when only one ecosystem lacks them', async (t) => {
    const { waybill } = await world(t, { 'package-lock.json': withA, 'api/poetry.lock': pythonLock });
    const some = await waybill('scan', 'deps');
    assert.equal(some.status, 2);
    assert.match(some.out, /CVE-2026-1 in a/);
    assert.match(some.err, /no advisories: PyPI\. Bring them: waybill db update --ecosystem PyPI/);
    const none = await waybill('scan', 'deps', '--database', 'empty');
    assert.equal(none.status, 2);
    assert.match(none.err, /there are no advisories for PyPI, npm in .*empty[^]*fix Bring them: waybill db update/);
    assert.equal((await waybill('scan', 'deps', 'nowhere')).status, 2);
    assert.equal((await waybill('scan', 'deps', 'api', '--fail', 'report')).status, 2);
  });

  test('a lock file that cannot be read fails the scan', async (t) => {
    const { waybill } = await world(t, { 'package-lock.json': '{' });
    const said = await waybill('scan', 'deps');
    assert.equal(said.status, 1);
    assert.match(said.out, /package-lock\.json was not looked at/);
  });

  test('CycloneDX: valid, with what was found', async (t) => {
    const { waybill } = await world(t, { 'package-lock.json': withBoth, 'package.json': '{"name":"shop","version":"2.0.0"}' });
    const { out, status } = await waybill('scan', 'deps', '--format', 'cyclonedx');
    assert.equal(status, 1);
    assert.equal(await new Validation.JsonStrictValidator(Spec.Version.v1dot6).validate(out), null);
    const { vulnerabilities, metadata } = JSON.parse(out) as { vulnerabilities: { id: string }[]; metadata: { component: object } };
    assert.deepEqual(
      vulnerabilities.map(({ id }) => id),
      ['CVE-2026-1', 'CVE-2026-2'],
    );
    assert.deepEqual({ ...metadata.component, 'bom-ref': '' }, { 'bom-ref': '', type: 'application', name: 'shop', version: '2.0.0' });
  });
});

suite('waybill sbom', () => {
  test('it is valid, the same each time, named after the folder where nothing else names it, and says what it lacks', async (t) => {
    const { waybill, cwd } = await world(t, { 'package-lock.json': withBoth, 'api/pom.xml': '<project/>' });
    const [one, two] = [await waybill('sbom'), await waybill('sbom', '--output', 'bom.json')];
    assert.equal(one.status, 0);
    assert.equal(`${one.out}\n`, await readFile(path.join(cwd, 'bom.json'), 'utf8'));
    assert.equal(await new Validation.JsonStrictValidator(Spec.Version.v1dot6).validate(one.out), null);
    assert.match(two.err, /not read: api\/pom\.xml/);
    const { metadata, components } = JSON.parse(one.out) as { metadata: { component: { name: string } }; components: { purl?: string }[] };
    assert.equal(metadata.component.name, 'shop');
    assert.deepEqual(
      components.flatMap(({ purl }) => purl ?? []),
      ['pkg:npm/a@1.0.0', 'pkg:npm/b@1.0.0'],
    );
    assert.equal((await waybill('sbom', 'nowhere')).status, 2);
  });
});
