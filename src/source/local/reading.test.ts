import assert from 'node:assert/strict';
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { text as readText } from 'node:stream/consumers';
import { extract } from 'tar-stream';
import { WaybillError } from '../../kernel/error.ts';
import { parseGitOid, type GitOid } from '../../kernel/git-oid.ts';
import { fixture } from './fixture.ts';

const none = new AbortController().signal;

async function unpack(stream: NodeJS.ReadableStream): Promise<Record<string, string>> {
  const entries: Record<string, string> = {};
  const tar = extract();
  stream.on('error', (error) => tar.destroy(error));
  stream.pipe(tar);
  for await (const entry of tar) {
    const body = await readText(entry);
    const { name, type, mode = 0, linkname } = entry.header;
    if (type !== 'directory') entries[name] = `${mode.toString(8)} ${type === 'symlink' ? `-> ${linkname}` : body}`;
  }
  return entries;
}

test('an archive holds the tree exactly, whatever .gitattributes says', async () => {
  await using t = await fixture();
  await t.begin();
  const folder = await t.workingCopy('dev');
  await writeFile(join(folder, 'hidden'), 'seen\n');
  await writeFile(join(folder, 'subst'), '$Format:%H$ $Id$\n');
  await writeFile(join(folder, 'crlf'), 'a\nb\n');
  await writeFile(join(folder, 'utf16'), 'text');
  await writeFile(join(folder, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
  await symlink('run.sh', join(folder, 'link'));
  await t.must(folder, 'dev', 'add', '--all');
  await t.must(folder, 'dev', 'commit', '--quiet', '-m', 'files');
  const attributes = [
    '[attr]evil export-ignore',
    'hidden evil',
    'sub export-ignore',
    'sub/** export-ignore',
    'subst export-subst ident',
    'crlf text eol=crlf',
    'utf16 text working-tree-encoding=UTF-16',
    '* filter=lfs',
    '',
  ].join('\n');
  await t.commit(folder, 'dev', 'sub/.gitattributes', '* export-ignore\n');
  // Past the working copy, where git would follow the attributes itself.
  await writeFile(join(t.root, 'attributes'), attributes);
  const blob = await t.must(folder, 'dev', 'hash-object', '-w', '--no-filters', join(t.root, 'attributes'));
  await t.must(folder, 'dev', 'update-index', '--add', '--cacheinfo', `100644,${blob},.gitattributes`);
  await t.must(folder, 'dev', 'commit', '--quiet', '-m', 'attributes');
  const head = parseGitOid(await t.must(folder, 'dev', 'rev-parse', 'HEAD'));
  await t.propose(folder, 'dev');
  assert.deepEqual(await unpack(await t.current.source.archive('shop', head, none)), {
    '.gitattributes': `644 ${attributes}`,
    'README.md': '644 shop\n',
    crlf: '644 a\nb\n',
    hidden: '644 seen\n',
    link: '777 -> run.sh',
    'run.sh': '755 #!/bin/sh\n',
    'sub/.gitattributes': '644 * export-ignore\n',
    subst: '644 $Format:%H$ $Id$\n',
    utf16: '644 text',
  });
});

test('files are read by path, within limits, and nothing else is', async () => {
  await using t = await fixture();
  const first = await t.begin();
  const folder = await t.workingCopy('dev');
  await symlink('README.md', join(folder, 'link'));
  await t.commit(folder, 'dev', 'dir/name with $(space)\nand line', 'odd');
  const head = await t.commit(folder, 'dev', '-rf', 'dash');
  await t.propose(folder, 'dev');
  const { source } = t.current;
  const read = async (path: string, maxBytes = 100) => (await source.readFile('shop', head, path, { maxBytes }))?.toString();
  assert.equal(await read('README.md'), 'shop\n');
  assert.equal(await read('README.md', 5), 'shop\n');
  assert.equal(await read('dir/name with $(space)\nand line'), 'odd');
  assert.equal(await read('-rf'), 'dash');
  for (const path of [
    '',
    'dir',
    'dir/',
    'link',
    'none',
    '/README.md',
    './README.md',
    'dir/../README.md',
    'README.md/x',
    '*',
    ':(glob)*',
    'a\0b',
  ])
    assert.equal(await read(path), undefined, JSON.stringify(path));
  await assert.rejects(read('README.md', 4), (error) => error instanceof WaybillError && error.code === 'LIMIT_EXCEEDED');
  assert.deepEqual(await source.listFiles('shop', head, ''), ['-rf', 'README.md', 'dir/name with $(space)\nand line', 'link']);
  assert.deepEqual(await source.listFiles('shop', head, 'dir'), ['dir/name with $(space)\nand line']);
  assert.deepEqual(await source.listFiles('shop', head, '../..'), []);
  assert.equal(await source.isAncestor('shop', first, head), true);
  assert.equal(await source.isAncestor('shop', head, first), false);
  assert.equal(await source.isAncestor('shop', parseGitOid('1'.repeat(40)), first), false);
  assert.equal(await source.treeOf('shop', head), (await source.commitInfo('shop', head)).tree);
  await assert.rejects(source.treeOf('shop', '--help' as GitOid), (error) => error instanceof WaybillError);
  await assert.rejects(source.tip('../shop'), (error) => error instanceof WaybillError && error.code === 'NOT_FOUND');
});

test('an archive that fails or is aborted is an error of the stream', async () => {
  await using t = await fixture();
  const first = await t.begin();
  const { source } = t.current;
  await assert.rejects(unpack(await source.archive('shop', parseGitOid('1'.repeat(40)), none)), /Git failed/);
  await assert.rejects(unpack(await source.archive('shop', first, AbortSignal.abort(new Error('enough')))), /enough/);
});
