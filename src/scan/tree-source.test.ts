import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import type { Skipped } from './coverage.ts';
import { folderSource } from './folder-source.ts';
import { commitsOf, gitHistorySource, gitRangeSource, gitStagedSource, gitTreeSource, gitWorkTreeSource } from './git/sources.ts';
import { memorySource, pieceBytes, readWhole, type TreeSource } from './tree-source.ts';

const root = mkdtempSync(join(tmpdir(), 'tree-source-'));
after(() => rmSync(root, { recursive: true, force: true }));
const { signal } = new AbortController();
const no = ({ path, detail }: Skipped) => assert.fail(`${path}: ${detail}`);

function git(folder: string, ...args: string[]): string {
  const settings = [
    '-c',
    'user.name=Anna',
    '-c',
    'user.email=anna@example.org',
    '-c',
    'init.defaultBranch=main',
    '-c',
    'commit.gpgsign=false',
  ];
  const result = spawnSync('git', [...settings, ...args], { cwd: folder, encoding: 'utf8' });
  assert.equal(result.status, 0, result.stderr);
  return result.stdout.trim();
}

function write(folder: string, files: Readonly<Record<string, string | Buffer>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}

async function readAll(source: TreeSource): Promise<{ files: Record<string, string>; skipped: Skipped[] }> {
  const files: Record<string, string> = {};
  const skipped: Skipped[] = [];
  for await (const file of source.files({ signal, skip: (each) => skipped.push(each) }))
    files[file.path] = (await readWhole(file, 64 * 1024 * 1024)).toString('latin1');
  return { files, skipped };
}

suite('a folder', () => {
  test('gives every file in order, with what Git ignores, without .git; links are told and not followed', async () => {
    const folder = join(root, 'folder');
    write(folder, { 'b.txt': 'two', 'a/one.txt': 'one', '.env': 'x', '.git/config': 'no', '.gitignore': '.env', empty: '' });
    symlinkSync('/etc/passwd', join(folder, 'out'));
    symlinkSync('..', join(folder, 'a', 'loop'));
    const { files, skipped } = await readAll(folderSource(folder));
    assert.deepEqual(Object.entries(files), [
      ['.env', 'x'],
      ['.gitignore', '.env'],
      ['a/one.txt', 'one'],
      ['b.txt', 'two'],
      ['empty', ''],
    ]);
    assert.deepEqual(skipped.map(({ path, reason }) => `${path} ${reason}`).toSorted(), ['a/loop excluded', 'out excluded']);
  });

  test('reads pipes, which nobody writes, not at all', { timeout: 10_000 }, async () => {
    const folder = join(root, 'pipes');
    mkdirSync(folder);
    assert.equal(spawnSync('mkfifo', [join(folder, 'pipe')]).status, 0);
    assert.deepEqual((await readAll(folderSource(folder))).skipped, [{ path: 'pipe', reason: 'excluded', detail: 'not a file' }]);
  });

  for (const size of [0, 1, pieceBytes - 1, pieceBytes, pieceBytes + 1, 2 * pieceBytes, 2 * pieceBytes + 7])
    test(`a file of ${size} bytes comes whole, in pieces of one size`, async () => {
      const content = Buffer.from(Array.from({ length: size }, (_, index) => (index * 31 + (index >> 8)) & 0xff));
      const folder = join(root, `size-${size}`);
      write(folder, { file: content });
      for await (const file of folderSource(folder).files({ signal, skip: no })) {
        const pieces: Buffer[] = [];
        for await (const piece of file.pieces()) pieces.push(piece);
        assert.ok(Buffer.concat(pieces).equals(content));
        assert.ok(pieces.slice(0, -1).every((piece) => piece.length === pieceBytes));
      }
    });

  test('that is not there is an error, not an empty one', async () => {
    await assert.rejects(readAll(folderSource(join(root, 'nowhere'))), { code: 'NOT_FOUND' });
  });

  test('a limit holds whatever a file said about its size', async () => {
    const lying = { path: 'x', size: 1, pieces: () => [Buffer.alloc(10)] };
    await assert.rejects(readWhole(lying, 5), { code: 'LIMIT_EXCEEDED' });
  });
});

suite('Git', () => {
  const folder = join(root, 'repository');
  mkdirSync(folder);
  git(folder, 'init', '--quiet');
  write(folder, { 'kept.txt': 'kept', 'grown.txt': 'old', 'ümläut "q"\n.txt': 'odd' });
  symlinkSync('kept.txt', join(folder, 'link'));
  git(folder, 'add', '.');
  git(folder, 'commit', '--quiet', '-m', 'one');
  const first = git(folder, 'rev-parse', 'HEAD');
  write(folder, { 'passing.txt': 'came and went' });
  git(folder, 'add', '.');
  git(folder, 'commit', '--quiet', '-m', 'two');
  const second = git(folder, 'rev-parse', 'HEAD');
  git(folder, 'rm', '--quiet', 'passing.txt');
  write(folder, { 'grown.txt': 'old\nnew', 'big.bin': Buffer.alloc(pieceBytes + 5, 7) });
  git(folder, 'add', '.');
  git(folder, 'commit', '--quiet', '-m', 'three');
  const place = { folder };

  test('a tree is its files, without links, whatever they are called', async () => {
    const { files } = await readAll(gitTreeSource(place, first));
    assert.deepEqual(files, { 'grown.txt': 'old', 'kept.txt': 'kept', [Buffer.from('ümläut "q"\n.txt').toString()]: 'odd' });
  });

  test('a range is every blob that its commits bring, also what a later one took away; and what was there before', async () => {
    const { added, before } = gitRangeSource(place, [first], 'HEAD');
    const { files } = await readAll(added);
    assert.deepEqual(Object.keys(files).toSorted(), ['big.bin', 'grown.txt', 'passing.txt']);
    assert.equal(files['big.bin']?.length, pieceBytes + 5);
    assert.deepEqual((await readAll(before)).files, { 'grown.txt': 'old' });
  });

  test('history has each blob once, but for the known ones; commits that brought them are found', async () => {
    const blobs: { path: string; blob: string }[] = [];
    for await (const { path, blob = '' } of gitHistorySource(place, new Set()).files({ signal, skip: no })) blobs.push({ path, blob });
    assert.equal(blobs.length, 7);
    const passing = blobs.find(({ path }) => path === 'passing.txt')?.blob ?? '';
    assert.deepEqual(
      await commitsOf(place, new Set([passing]), ['--all'], signal),
      new Map([[passing, [{ commit: second, path: 'passing.txt' }]]]),
    );
    const { files } = await readAll(gitHistorySource(place, new Set(blobs.map(({ blob }) => blob).filter((blob) => blob !== passing))));
    assert.deepEqual(files, { 'passing.txt': 'came and went' });
  });

  test('history can be that of branches and tags alone, and that of a repository without any is empty', async () => {
    git(folder, 'update-ref', 'refs/changes/1/1', second);
    const { files } = await readAll(gitHistorySource(place, new Set(), ['--branches', '--tags']));
    assert.ok('passing.txt' in files);
    const bare = join(root, 'no-commits.git');
    git(root, 'init', '--quiet', '--bare', bare);
    assert.deepEqual((await readAll(gitHistorySource({ folder: bare }, new Set(), ['--branches', '--tags']))).files, {});
    assert.deepEqual((await readAll(gitHistorySource({ folder: bare }, new Set()))).files, {});
    await assert.rejects(readAll(gitHistorySource(place, new Set(), ['--output=x'])), { code: 'GIT_FAILED' });
  });

  test('what is staged is what the index has, not what is on disk', async () => {
    write(folder, { 'kept.txt': 'staged' });
    git(folder, 'add', 'kept.txt');
    write(folder, { 'kept.txt': 'later', 'untracked.txt': 'u', 'ignored.txt': 'i', '.gitignore': 'ignored.txt' });
    const { added, before } = gitStagedSource(place);
    assert.deepEqual((await readAll(added)).files, { 'kept.txt': 'staged' });
    assert.deepEqual((await readAll(before)).files, { 'kept.txt': 'kept' });
    const { files } = await readAll(gitWorkTreeSource(place));
    assert.equal(files['kept.txt'], 'later');
    assert.equal(files['untracked.txt'], 'u');
    assert.equal('ignored.txt' in files, false);
  });

  test('what is staged before the first commit', async () => {
    const fresh = join(root, 'fresh');
    mkdirSync(fresh);
    git(fresh, 'init', '--quiet');
    write(fresh, { a: 'a' });
    git(fresh, 'add', '.');
    assert.deepEqual((await readAll(gitStagedSource({ folder: fresh }).added)).files, { a: 'a' });
  });

  test('names that are no commits, and folders that are no repositories, are errors', async () => {
    await assert.rejects(readAll(gitTreeSource(place, '--help')), { code: 'GIT_FAILED' });
    await assert.rejects(readAll(gitRangeSource(place, ['nowhere'], 'HEAD').added), { code: 'GIT_FAILED' });
    await assert.rejects(readAll(gitHistorySource({ folder: '/proc' }, new Set())), { code: 'GIT_FAILED' });
  });

  test('stopping in the middle leaves no process, and a cancelled one says so', { timeout: 20_000 }, async () => {
    for await (const file of gitHistorySource(place, new Set()).files({ signal, skip: no })) if (file.path !== '') break;
    await assert.rejects(
      async () => {
        for await (const file of gitHistorySource(place, new Set()).files({ signal: AbortSignal.abort(), skip: no }))
          assert.fail(file.path);
      },
      { code: 'CANCELLED' },
    );
  });
});

test('files in memory', async () => {
  assert.deepEqual((await readAll(memorySource('standard input', [{ path: '-', content: 'text' }]))).files, { '-': 'text' });
});
