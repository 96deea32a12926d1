import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { isWaybillError } from '../../kernel/error.ts';
import { folderTree } from './folder-tree.ts';
import { defaultLimits } from './limits.ts';
import { tarBlocks } from './tar.ts';
import { temporaryFolder } from './test-build.ts';
import { walk } from './walk.ts';

const options = { mtime: new Date(0), owner: { uid: 0, gid: 0 }, modes: 'normal' } as const;
const marker = 'A-SECRET-OF-THE-HOST';

test('a folder and a file that are swapped for links to the host while they are read never let it in', async () => {
  await using folder = await temporaryFolder();
  const host = join(folder.path, 'host');
  const tree = join(folder.path, 'tree');
  for (const [path, content] of Object.entries({ [host]: marker, [join(tree, 'swapped')]: 'ours', [join(tree, 'other')]: 'ours' })) {
    await mkdir(path, { recursive: true });
    await writeFile(join(path, 'file'), content);
  }
  await writeFile(join(tree, 'leaf'), 'ours');
  const script = `
    const { renameSync, symlinkSync } = require('node:fs');
    process.chdir(${JSON.stringify(tree)});
    symlinkSync(${JSON.stringify(host)}, '../to-folder');
    symlinkSync(${JSON.stringify(join(host, 'file'))}, '../to-file');
    process.stdout.write('ready');
    for (;;) {
      renameSync('swapped', '../away'); renameSync('../to-folder', 'swapped');
      renameSync('leaf', '../leaf'); renameSync('../to-file', 'leaf');
      renameSync('swapped', '../to-folder'); renameSync('../away', 'swapped');
      renameSync('leaf', '../to-file'); renameSync('../leaf', 'leaf');
    }`;
  const swapper = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let read = 0;
  let refused = 0;
  try {
    await once(swapper.stdout, 'data');
    for (let round = 0; round < 400; round++) {
      for (const from of ['.', 'swapped', 'swapped/file', 'leaf']) {
        try {
          const blocks = [...tarBlocks(walk(folderTree(tree), { from, to: '/app', parents: true, limits: defaultLimits }), options)];
          assert.ok(!Buffer.concat(blocks).includes(marker));
          read++;
        } catch (error) {
          assert.ok(isWaybillError(error, 'IMAGE_LAYER_INVALID', 'NOT_FOUND'), String(error));
          refused++;
        }
      }
    }
  } finally {
    swapper.kill('SIGKILL');
    await once(swapper, 'close');
  }
  assert.ok(read > 0 && refused > 0, `${read} read, ${refused} refused: the race did not happen`);
});

test('file descriptors are given back, also when the reader stops early or fails', { skip: process.platform !== 'linux' }, async () => {
  await using folder = await temporaryFolder();
  await mkdir(join(folder.path, 'a/b/c'), { recursive: true });
  await writeFile(join(folder.path, 'a/b/c/f'), 'x');
  const open = (): number => readdirSync('/proc/self/fd').length;
  const before = open();
  for (let stop = 0; stop < 7; stop++) {
    let seen = 0;
    for (const _ of walk(folderTree(folder.path), { from: 'a', to: '/x', parents: true, limits: defaultLimits }))
      if (seen++ === stop) break;
    assert.throws(() => [...walk(folderTree(folder.path), { from: 'a/none', to: '/x', parents: true, limits: defaultLimits })]);
  }
  assert.equal(open(), before);
});
