import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { SourceTables } from '../tables.ts';
import { programPath } from './git-config.ts';
import { as, fixture, openParts, passed } from './fixture.ts';

// A second process merges with a `git` that kills it with SIGKILL at one point of the merge; then the source is opened again.

const killer = (when: string) => `#!/bin/sh
PATH=${programPath}
case "$*" in
  *${when.slice(when.indexOf(' ') + 1)}*)
    ${when.startsWith('after') ? 'git "$@"' : ':'}
    kill -9 $PPID
    exit 1
    ;;
esac
exec git "$@"
`;

const child = (root: string, path: string, id: number) => `
import { openParts, passed } from ${JSON.stringify(new URL('./fixture.ts', import.meta.url).href)};
const { source } = await openParts(${JSON.stringify(root)}, { hookSocket: ${JSON.stringify(join(root, 'child.sock'))}, path: ${JSON.stringify(path)} });
await source.merge(${id}, { id: 'ria' }, passed);
`;

for (const [when, expected] of [
  ['before commit-tree', 'open'],
  ['after commit-tree', 'open'],
  ['before update-ref', 'open'],
  ['after update-ref', 'merged'],
] as const)
  test(`killed ${when} of a merge, row and ref agree: ${expected}`, async () => {
    await using t = await fixture();
    const base = await t.begin();
    const folder = await t.workingCopy('dev');
    await t.commit(folder, 'dev', 'a', '1');
    const { id } = await t.propose(folder, 'dev');
    await t.current.source.approve(id, as('ria'));
    const shims = join(t.root, 'shims');
    await mkdir(shims);
    await writeFile(join(shims, 'git'), killer(when), { mode: 0o755 });
    const code = child(t.root, `${shims}:${programPath}`, id);
    const signal = await new Promise((resolve) => {
      const args = ['--input-type=module-typescript', '-e', code];
      spawn(process.execPath, args, { stdio: 'inherit' }).on('exit', (_code, by) => resolve(by));
    });
    assert.equal(signal, 'SIGKILL');
    const intents = async () => (await t.store.as<SourceTables>().selectFrom('merge').select('state').execute()).map((row) => row.state);
    assert.deepEqual(await intents(), when.endsWith('update-ref') ? ['intent'] : []);
    assert.equal((await t.current.source.getChange(id)).merge, undefined, 'an intent is no merge');

    const again = await openParts(t.root, { hookSocket: join(t.root, 'again.sock') });
    const { source } = again;
    const change = await source.getChange(id);
    const tip = await source.tip('shop');
    assert.equal(change.state, expected);
    if (expected === 'merged') {
      assert.equal(change.merge?.commit, tip);
      assert.deepEqual(await source.mergedCommits('shop'), [change.merge]);
    } else {
      assert.equal(tip, base);
      assert.deepEqual(await intents(), []);
      assert.equal((await source.merge(id, as('ria'), passed)).commit, await source.tip('shop'));
    }
    await source[Symbol.asyncDispose]();
    await again.store[Symbol.asyncDispose]();
  });

test('an intent of a first push is finished or dropped as the ref says', async () => {
  await using t = await fixture();
  const db = t.store.as<SourceTables>();
  const intent = { repository_id: 1, commit: '1'.repeat(40), person: 'ada', at: '2026-01-01T00:00:00.000Z', state: 'intent' as const };
  await db.insertInto('initial_push').values(intent).execute();
  const first = await t.begin();
  assert.equal((await t.current.source.initialPush('shop'))?.commit, first, 'the dead intent stood in nobody’s way');
  await db.updateTable('initial_push').set({ state: 'intent' }).execute();
  assert.equal(await t.current.source.initialPush('shop'), undefined);
  const again = await openParts(t.root, { hookSocket: join(t.root, 'again.sock') });
  assert.equal((await again.source.initialPush('shop'))?.commit, first);
  await again.source[Symbol.asyncDispose]();
  await again.store[Symbol.asyncDispose]();
});
