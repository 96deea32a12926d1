import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { fillExample } from '../scan/secrets/examples.ts';

const root = mkdtempSync(join(tmpdir(), 'scan-secrets-'));
after(() => rmSync(root, { recursive: true, force: true }));
const bin = join(import.meta.dirname, '../../bin/waybill');
const secret = fillExample('ghp_<crc62>', 'cli');

type Result = { readonly code: number; readonly out: string; readonly err: string };

function run(cwd: string, program: string, args: readonly string[], input = ''): Promise<Result> {
  return new Promise((resolve) => {
    const env = { PATH: process.env['PATH'], HOME: root, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_SYSTEM: '/dev/null' };
    const child = execFile(program, args, { cwd, env, timeout: 60_000, maxBuffer: 2 ** 26 }, (error, out, err) =>
      resolve({ code: error ? Number(error.code ?? 99) : 0, out, err }),
    );
    // A program that reads nothing may be gone already.
    child.stdin?.on('error', () => {}).end(input);
  });
}
const waybill = (cwd: string, ...args: string[]) => run(cwd, bin, args);
async function git(cwd: string, ...args: string[]): Promise<string> {
  const identity = [
    '-c',
    'user.name=Anna',
    '-c',
    'user.email=anna@example.org',
    '-c',
    'init.defaultBranch=main',
    '-c',
    'commit.gpgsign=false',
  ];
  const { code, out, err } = await run(cwd, 'git', [...identity, ...args]);
  assert.equal(code, 0, err);
  return out.trim();
}

async function repository(name: string): Promise<string> {
  const folder = join(root, name);
  mkdirSync(folder);
  await git(folder, 'init', '--quiet');
  writeFileSync(join(folder, 'README'), 'hello\n');
  await git(folder, 'add', '.');
  await git(folder, 'commit', '--quiet', '-m', 'one');
  return folder;
}

suite('waybill scan secrets', { concurrency: 2 }, () => {
  test('0 when there is nothing, 1 when there is something, 2 when it could not look', async () => {
    const folder = join(root, 'plain');
    mkdirSync(folder);
    assert.equal((await waybill(folder, 'scan', 'secrets')).code, 2, 'an empty folder proves nothing');
    writeFileSync(join(folder, 'a.txt'), 'hello');
    const clean = await waybill(folder, 'scan', 'secrets');
    assert.equal(clean.code, 0, clean.err);
    assert.match(clean.out, /Nothing found\.\nLooked at 1 files, 5 bytes, \d{3} rules/);
    writeFileSync(join(folder, 'b.txt'), `x = ${secret}`);
    const found = await waybill(folder, 'scan', 'secrets');
    assert.equal(found.code, 1);
    assert.match(found.out, /critical {2}GitHub personal access token\n +b\.txt:1:5/);
    assert.equal((await waybill(folder, 'scan', 'secrets', 'nowhere')).code, 2);
    assert.equal((await waybill(folder, 'scan', 'secrets', '--history')).code, 2);
    assert.equal((await waybill(folder, 'scan', 'secrets', '--fail', 'critical', 'a.txt')).code, 0);
    assert.equal((await run(folder, bin, ['scan', 'secrets', '-'], `token: ${secret}`)).code, 1);
    const allowed = await run(folder, bin, ['scan', 'secrets', '-'], `token: ${secret} # waybill:allow opens nothing`);
    assert.equal(allowed.code, 0);
    assert.match(allowed.out, /allowed in its line: opens nothing/);
  });

  test('SARIF and JSON are what they must be, and no form of output holds the value', async () => {
    const folder = join(root, 'formats');
    mkdirSync(folder);
    writeFileSync(join(folder, 'a ü.txt'), `x = ${secret}\n`);
    const made: Result[] = [];
    for (const format of ['table', 'json', 'sarif']) made.push(await waybill(folder, 'scan', 'secrets', '--format', format));
    const json = JSON.parse(made[1]?.out ?? '') as { passed: boolean; findings: { kind: string; fails: boolean; fingerprint: string }[] };
    assert.equal(json.passed, false);
    assert.deepEqual(
      json.findings.map(({ kind, fails, fingerprint }) => [kind, fails, /^[0-9a-f]{32}$/.test(fingerprint)]),
      [['secret', true, true]],
    );
    const sarif = JSON.parse(made[2]?.out ?? '') as {
      version: string;
      runs: { results: { ruleId: string; ruleIndex: number; level: string; locations: object[] }[] }[];
    };
    assert.equal(sarif.version, '2.1.0');
    assert.deepEqual(
      sarif.runs[0]?.results.map(({ ruleId, ruleIndex, level }) => [ruleId, ruleIndex, level]),
      [['github-pat', 0, 'error']],
    );
    assert.deepEqual(sarif.runs[0]?.results[0]?.locations, [
      { physicalLocation: { artifactLocation: { uri: 'a%20%C3%BC.txt' }, region: { startLine: 1, startColumn: 5 } } },
    ]);
    for (const { out, err } of made)
      for (let at = 0; at + 8 <= secret.length; at++) assert.equal((out + err).includes(secret.slice(at, at + 8)), false);
  });

  test('history finds what was taken away, names its commits, and next time looks only at what is new', async () => {
    const folder = await repository('history');
    writeFileSync(join(folder, 'a.txt'), secret);
    await git(folder, 'add', '.');
    await git(folder, 'commit', '--quiet', '-m', 'two');
    const bad = await git(folder, 'rev-parse', 'HEAD');
    await git(folder, 'rm', '--quiet', 'a.txt');
    await git(folder, 'commit', '--quiet', '-m', 'three');
    assert.equal((await waybill(folder, 'scan', 'secrets')).code, 0);
    const first = await waybill(folder, 'scan', 'secrets', '--history', '--format', 'json');
    assert.equal(first.code, 1);
    const parsed = (text: string) =>
      JSON.parse(text) as { coverage: { files: number }; findings: { fix: string; places: { commits: string[] }[] }[] };
    assert.deepEqual(parsed(first.out).findings[0]?.places[0]?.commits, [bad]);
    assert.match(parsed(first.out).findings[0]?.fix ?? '', /out of use first.*history/);
    assert.equal(parsed(first.out).coverage.files, 2);
    const second = await waybill(folder, 'scan', 'secrets', '--history', '--format', 'json');
    assert.equal(second.code, 1, 'what was found is looked at again');
    assert.equal(parsed(second.out).coverage.files, 1);
    // The file of what was scanned holds names of content alone, and may be broken or gone.
    const [remembered = ''] = readdirSync(join(folder, '.git/waybill'));
    writeFileSync(join(folder, '.git/waybill', remembered), 'half');
    assert.equal(parsed((await waybill(folder, 'scan', 'secrets', '--history', '--format', 'json')).out).coverage.files, 2);
    assert.equal((await waybill(folder, 'scan', 'secrets', '--range', `${bad}..HEAD`)).code, 0);
    assert.equal((await waybill(folder, 'scan', 'secrets', '--range', `${bad}~1`)).code, 1);
    assert.equal((await waybill(folder, 'scan', 'secrets', '--range', '--all')).code, 2);
  });

  test('a waiver accepts it wherever it moves, keeps comments, and is told when nothing needs it any more', async () => {
    const folder = await repository('waiver');
    writeFileSync(join(folder, 'a.txt'), secret);
    const table = (await waybill(folder, 'scan', 'secrets')).out;
    const id = /github-pat:[0-9a-f]{32}/.exec(table)?.[0] ?? '';
    assert.equal((await waybill(folder, 'scan', 'secrets', '--waive', id)).code, 2, 'without a reason');
    const claim = [
      '--reason',
      'of the tutorial',
      '--owner',
      'anna',
      '--expires',
      new Date(Date.now() + 30 * 86_400_000).toISOString().slice(0, 10),
    ];
    const waived = await waybill(folder, 'scan', 'secrets', '--waive', id.slice(0, 24), ...claim);
    assert.equal(waived.code, 0, waived.err);
    const file = join(folder, '.waybill/waivers.yaml');
    const text = readFileSync(file, 'utf8');
    assert.match(text, /^# What was found/);
    assert.equal(text.includes(secret.slice(4, 14)), false);
    writeFileSync(join(folder, 'moved.txt'), `\n\n  "${secret}"`);
    rmSync(join(folder, 'a.txt'));
    const accepted = await waybill(folder, 'scan', 'secrets');
    assert.equal(accepted.code, 0, accepted.out);
    assert.match(accepted.out, /accepted by anna until .*: of the tutorial/);
    writeFileSync(file, `# ours\n${text}`);
    writeFileSync(join(folder, 'moved.txt'), `${secret} ${fillExample('glpat-<word:20>', 'cli')}`);
    const other = await waybill(folder, 'scan', 'secrets');
    assert.equal(other.code, 1, 'another one in the same line is found');
    const second = /gitlab-pat:[0-9a-f]{32}/.exec(other.out)?.[0] ?? '';
    assert.equal((await waybill(folder, 'scan', 'secrets', '--waive', second, ...claim)).code, 0);
    assert.match(readFileSync(file, 'utf8'), /^# ours\n# What was found/);
    writeFileSync(join(folder, 'moved.txt'), 'nothing');
    assert.match((await waybill(folder, 'scan', 'secrets')).out, /a waiver meets nothing any more: github-pat/);
  });
});

suite('waybill hook', { concurrency: 2 }, () => {
  const commit = (folder: string) => run(folder, 'git', ['-c', 'user.name=A', '-c', 'user.email=a@b.org', 'commit', '-m', 'x']);

  test('stops a commit with a credential, looks at what is staged alone, and keeps the hook that was there', async () => {
    const folder = await repository('hook');
    const file = join(folder, '.git/hooks/pre-commit');
    mkdirSync(join(folder, '.git/hooks'), { recursive: true });
    writeFileSync(file, '#!/bin/sh\necho before >> ran\n', { mode: 0o755 });
    assert.equal((await waybill(folder, 'hook', 'install')).code, 0);
    assert.equal((await waybill(folder, 'hook', 'install')).code, 0, 'twice is once');
    assert.equal(statSync(file).mode & 0o111, 0o111);
    writeFileSync(join(folder, 'a.txt'), secret);
    writeFileSync(join(folder, 'b.txt'), 'b');
    await git(folder, 'add', 'b.txt');
    assert.equal((await commit(folder)).code, 0, 'what is not staged does not count');
    await git(folder, 'add', 'a.txt');
    const stopped = await commit(folder);
    assert.notEqual(stopped.code, 0);
    assert.match(stopped.out + stopped.err, /GitHub personal access token/);
    assert.equal(readFileSync(join(folder, 'ran'), 'utf8'), 'before\nbefore\n');
    assert.equal((await waybill(folder, 'hook', 'uninstall')).code, 0);
    assert.equal(readFileSync(file, 'utf8'), '#!/bin/sh\necho before >> ran\n');
    assert.equal((await commit(folder)).code, 0);
    assert.equal((await waybill(folder, 'hook', 'uninstall')).code, 1, 'what is not ours stays');
  });

  test('respects core.hooksPath in the repository, and leaves one that others share alone', async () => {
    const folder = await repository('hooks-path');
    await git(folder, 'config', 'core.hooksPath', '.hooks');
    assert.equal((await waybill(folder, 'hook', 'install')).code, 0);
    assert.ok(existsSync(join(folder, '.hooks/pre-commit')));
    await git(folder, 'config', 'core.hooksPath', join(root, 'shared'));
    const refused = await waybill(folder, 'hook', 'install');
    assert.equal(refused.code, 1);
    assert.match(refused.err, /other repositories use too/);
    assert.equal(existsSync(join(root, 'shared')), false);
  });
});
