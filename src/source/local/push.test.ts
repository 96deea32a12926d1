import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixture } from './fixture.ts';

test('the first push is an administrator’s, and is recorded', async () => {
  const pushes: unknown[] = [];
  await using t = await fixture({
    onInitialPush: async (push) => {
      pushes.push(push);
      return { message: 'Hello, first commit.' };
    },
  });
  const dev = await t.workingCopy('dev');
  await t.must(dev, 'dev', 'checkout', '--quiet', '-B', 'main');
  await t.commit(dev, 'dev', 'a', 'a');
  assert.match((await t.git(dev, 'dev', 'push', 'origin', 'main')).out, /this repository is empty, and dev is no administrator/);
  assert.match((await t.propose(dev, 'dev')).out, /main does not exist yet/);
  const ada = await t.workingCopy('ada');
  await t.must(ada, 'ada', 'checkout', '--quiet', '-B', 'main');
  const first = await t.commit(ada, 'ada', 'a', 'a');
  await t.must(ada, 'ada', 'tag', 'v1');
  assert.match((await t.git(ada, 'ada', 'push', 'origin', 'main', 'v1')).out, /the first push is main alone/);
  assert.equal(await t.current.source.tip('shop'), undefined);
  assert.match(await t.must(ada, 'ada', 'push', 'origin', 'main'), /remote: Hello, first commit\./);
  assert.equal(await t.current.source.tip('shop'), first);
  assert.deepEqual(pushes, [{ repository: 'shop', commit: first, person: 'ada' }]);
  assert.equal(await t.current.source.isInitialCommit('shop', first), true);
  assert.equal(await t.current.source.reviewedCommit('shop', first), undefined);
  await t.commit(ada, 'ada', 'b', 'b');
  const direct = await t.git(ada, 'ada', 'push', '--force', 'origin', 'main');
  assert.notEqual(direct.code, 0, 'administrators too');
  assert.match(direct.out, /main takes reviewed changes only: git push origin HEAD:refs\/for\/main/);
  assert.equal(await t.current.source.tip('shop'), first);
});

test('a push to refs/for/main opens a change, and pushes after it replace it', async () => {
  await using t = await fixture();
  const base = await t.begin();
  const dev = await t.workingCopy('dev');
  const head = await t.commit(dev, 'dev', 'a', '1');
  const opened = await t.propose(dev, 'dev');
  assert.match(opened.out, /remote: Change 1: Write a/);
  assert.match(opened.out, /http:\/\/waybill\.example\/changes\/1/);
  assert.match(opened.out, /refs\/changes\/1\/1/);
  const change = await t.current.source.getChange(opened.id);
  assert.equal(change.state, 'open');
  assert.deepEqual(
    change.versions.map(({ base: b, head: h, pusher }) => [b, h, pusher]),
    [[base, head, 'dev']],
  );
  assert.deepEqual(change.versions[0]?.hands.map(({ role, person }) => [role, person]), [['author', 'dev'], ['committer', 'dev']]); // prettier-ignore

  assert.match((await t.propose(dev, 'dev')).out, /change 1 is at this commit already/);
  await t.commit(dev, 'dev', 'a', '2');
  assert.match((await t.propose(dev, 'dev')).out, /Version 2 replaces version 1 \(contains its commits\)/);
  await t.must(dev, 'dev', 'reset', '--quiet', '--soft', base);
  await t.must(dev, 'dev', 'commit', '--quiet', '-m', 'Write a');
  assert.match((await t.propose(dev, 'dev')).out, /Version 3 replaces version 2 \(same title\)/);
  await t.must(dev, 'dev', 'commit', '--quiet', '--amend', '-m', 'Another title');
  assert.equal((await t.propose(dev, 'dev', 'change=1')).id, 1);
  await t.must(dev, 'dev', 'commit', '--quiet', '--amend', '-m', 'A third title');
  assert.equal((await t.propose(dev, 'dev')).id, 2);
  assert.equal((await t.current.source.getChange(opened.id)).versions.length, 4);

  // Everybody fetches any version.
  const eve = await t.workingCopy('eve');
  await t.must(eve, 'eve', 'fetch', '--quiet', 'origin', 'refs/changes/1/1');
  assert.equal(await t.must(eve, 'eve', 'rev-parse', 'FETCH_HEAD'), head);
});

test('topics, Change-Ids and -o new tell changes apart; other people’s changes are out of reach', async () => {
  await using t = await fixture();
  const base = await t.begin();
  const dev = await t.workingCopy('dev');
  const fresh = async (text: string, message?: string) => {
    await t.must(dev, 'dev', 'reset', '--quiet', '--hard', base);
    await t.commit(dev, 'dev', 'a', text, message === undefined ? {} : { MESSAGE: message });
  };
  await fresh('1');
  assert.equal((await t.propose(dev, 'dev', 'topic=one')).id, 1);
  await fresh('2', 'Quite another');
  assert.equal((await t.propose(dev, 'dev', 'topic=one')).id, 1);
  assert.equal((await t.propose(dev, 'dev', 'topic=two')).id, 2, 'another topic is another change, even of the same commit');
  const id = `I${'0123456789'.repeat(4)}`;
  await fresh('3', `Third\n\nChange-Id: ${id}`);
  assert.equal((await t.propose(dev, 'dev')).id, 3);
  await fresh('4', `Retitled\n\nChange-Id: ${id}`);
  assert.equal((await t.propose(dev, 'dev')).id, 3);
  await fresh('5', 'Third');
  assert.equal((await t.propose(dev, 'dev', 'new')).id, 4);
  await fresh('6', 'Third');
  assert.match((await t.propose(dev, 'dev')).out, /could continue the changes 3, 4/);
  for (const [option, words] of [
    ['change=99', /not an open change of yours/],
    ['change=1x', /push option "change=1x" is not known/],
    ['force', /push option "force" is not known/],
    ['topic=../x', /is not known/],
  ] as const)
    assert.match((await t.propose(dev, 'dev', option)).out, words);
  assert.match((await t.propose(dev, 'dev', 'new', 'topic=x')).out, /more than one push option/);
  const eve = await t.workingCopy('eve');
  await t.commit(eve, 'eve', 'e', 'e', { MESSAGE: 'Third' });
  assert.match((await t.propose(eve, 'eve', 'change=3')).out, /change 3 is not an open change of yours/);
  assert.equal((await t.propose(eve, 'eve')).id, 5, 'a title of somebody else’s change opens a new one');
  await t.current.source.abandon(5 as never, { id: 'eve' as never });
  await t.commit(eve, 'eve', 'f', 'f');
  assert.match((await t.propose(eve, 'eve', 'change=5')).out, /not an open change of yours/);
});

test('what cannot be reviewed is refused with a sentence', async (t0) => {
  const refused: string[] = [];
  await using t = await fixture({ onRefused: ({ ref }) => refused.push(ref) });
  const base = await t.begin();
  const dev = await t.workingCopy('dev');
  const push = (...args: string[]) => t.git(dev, 'dev', 'push', 'origin', ...args);
  await t.commit(dev, 'dev', 'a', '1');
  await t.must(dev, 'dev', 'tag', '-a', '-m', 'v1', 'v1');
  const blob = await t.must(dev, 'dev', 'rev-parse', 'HEAD:a');
  await t.must(dev, 'dev', 'checkout', '--quiet', '--orphan', 'stranger');
  const stranger = await t.commit(dev, 'dev', 'x', 'x');
  await t.must(dev, 'dev', 'checkout', '--quiet', 'main');
  for (const [what, args, words] of [
    ['the tip of main', [`${base}:refs/for/main`], /it is in main already/],
    ['unrelated history', [`${stranger}:refs/for/main`], /no commit in common with main/],
    ['a tag', ['v1:refs/for/main'], /not a commit/],
    ['a blob', [`${blob}:refs/for/main`], /not a commit/],
    ['a topic branch', ['HEAD:refs/heads/topic'], /only refs\/for\/main can be pushed to/],
    ['a tag ref', ['v1'], /tags cannot be pushed yet/],
    ['another branch to review', ['HEAD:refs/for/release'], /only refs\/for\/main takes changes/],
    ['a Gerrit suffix', ['HEAD:refs/for/main%topic=x'], /takes no suffix/],
    ['an AGit suffix', ['HEAD:refs/for/main/topic'], /takes no suffix/],
    ['a change ref', ['HEAD:refs/changes/1/1'], /hidden ref/],
    ['a replacement', ['HEAD:refs/replace/1'], /only refs\/for\/main/],
    ['refs/for alone', ['HEAD:refs/for'], /only refs\/for\/main/],
    ['deleting main', [':main'], /nothing can be deleted|deletion prohibited/],
    ['shell words', ['HEAD:refs/for/main;id'], /only refs\/for/],
    ['a forced main', ['+HEAD:refs/heads/main'], /reviewed changes only/],
    ['atomic, with another ref', ['--atomic', 'HEAD:refs/for/main', 'HEAD:refs/heads/topic'], /the push is atomic/],
  ] as const)
    await t0.test(what, async () => {
      const result = await push(...args);
      assert.notEqual(result.code, 0);
      assert.match(result.out, words);
    });
  assert.equal((await t.current.source.listChanges()).length, 0);
  assert.equal(await t.current.source.tip('shop'), base);
  assert.ok(refused.includes('refs/heads/topic'));

  await t0.test('each ref of a push is judged for itself', async () => {
    const result = await push('HEAD:refs/for/main', 'HEAD:refs/heads/topic');
    assert.notEqual(result.code, 0);
    assert.match(result.out, /Change 1: Write a/);
    assert.match(result.out, /only refs\/for\/main can be pushed to/);
  });
  await t0.test('a range of more than 1000 commits', async () => {
    const tree = await t.must(dev, 'dev', 'rev-parse', 'HEAD^{tree}');
    const lines: string[] = [];
    for (let n = 1; n <= 1001; n += 1)
      lines.push(
        'commit refs/heads/long',
        `mark :${n}`,
        'committer dev <dev@example.com> 1700000000 +0000',
        'data 1',
        'x',
        n === 1 ? `from ${base}` : `from :${n - 1}`,
        '',
      );
    const { writeFile } = await import('node:fs/promises');
    await writeFile(`${t.root}/import`, `${lines.join('\n')}\n`);
    const { execFileSync } = await import('node:child_process');
    execFileSync('sh', ['-c', 'git fast-import --quiet < ../../import'], { cwd: dev });
    assert.ok(tree);
    assert.match((await push('long:refs/for/main')).out, /more than 1000 commits/);
    assert.equal((await push('long~1:refs/for/main')).code, 0);
  });
});

test('titles cannot write on the terminal, and hostile names of hands are kept as data', async () => {
  await using t = await fixture();
  await t.begin();
  const dev = await t.workingCopy('dev');
  await t.commit(dev, 'dev', 'a', '1', { MESSAGE: '\u001b[31mred\u0007 title', GIT_AUTHOR_NAME: "Bobby'; drop table change; -- x", GIT_AUTHOR_EMAIL: '$(id)' }); // prettier-ignore
  const { id } = await t.propose(dev, 'dev');
  const change = await t.current.source.getChange(id);
  assert.equal(change.title, '[31mred title');
  assert.deepEqual(change.versions[0]?.hands.map(({ name, email }) => [name, email])[0], ["Bobby'; drop table change; -- x", '$(id)']);
});
