import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { WaybillError } from '../../kernel/error.ts';
import type { PersonId } from '../../kernel/ids.ts';
import { readMergedCommit } from '../merged-commit.ts';
import { as, fixture, passed } from './fixture.ts';

const refuses = (code: string, words: RegExp) => (error: unknown) => {
  assert.ok(error instanceof WaybillError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(`${error.message} ${error.fix}`, words);
  return true;
};

type Fixture = Awaited<ReturnType<typeof fixture>>;

/** dev's change with one commit that writes a file. */
async function proposed(t: Fixture, file = 'a', env: Record<string, string> = {}, name = 'dev') {
  const folder = await t.workingCopy('dev', `${name}-${file}`);
  const head = await t.commit(folder, 'dev', file, `${file}\n`, env);
  const { id, out } = await t.propose(folder, 'dev', 'new');
  assert.notEqual(id, 0, out);
  return { folder, head, id };
}

test('an approved change whose base did not move is merged identically', async () => {
  await using t = await fixture();
  const base = await t.begin();
  const { source } = t.current;
  const { id, head } = await proposed(t);
  await assert.rejects(source.merge(id, as('ria'), passed), refuses('NOT_MERGEABLE', /has 0 of 1 approvals/));
  await assert.rejects(source.approve(id, as('ria'), { expect: { head: base } }), refuses('CONFLICT', /is at .* now/));
  await source.approve(id, as('ria'), { comment: 'good', expect: { head } });
  await assert.rejects(source.merge(id, as('dev'), passed), refuses('FORBIDDEN', /dev may not merge/));
  await assert.rejects(source.merge(id, as('nobody'), passed), refuses('FORBIDDEN', /nobody may not merge/));
  const no = async () => ({ ok: false as const, reason: 'stage lint failed' });
  await assert.rejects(source.merge(id, as('ria'), { testsPassed: no }), refuses('NOT_MERGEABLE', /stage lint failed/));

  const merged = await source.merge(id, as('rob'), passed);
  assert.equal(merged.method, 'identical');
  assert.equal(merged.tree, merged.reviewedTree);
  assert.equal(merged.onto, base);
  assert.deepEqual(merged.approvals.map(({ reviewer }) => reviewer), ['ria']); // prettier-ignore
  assert.equal(await source.tip('shop'), merged.commit);
  const info = await source.commitInfo('shop', merged.commit);
  assert.deepEqual(info.parents, [base, head]);
  assert.equal(info.tree, merged.tree);
  assert.equal(info.title, `Merge change ${id}: Write a`);
  assert.equal(info.author.email, 'waybill@localhost');
  assert.match(await t.must(t.bare, 'ada', 'log', '-1', '--format=%B', 'main'), /Change: 1\nReviewed-by: ria <ria@example\.com>/);
  assert.deepEqual(await source.reviewedCommit('shop', merged.commit), merged);
  assert.equal(await source.reviewedCommit('shop', head), undefined, 'the head alone is not what was merged');
  assert.deepEqual(await source.mergedCommits('shop'), [merged]);
  assert.deepEqual((await source.getChange(id)).merge, merged);
  for (const again of [source.merge(id, as('rob'), passed), source.approve(id, as('rob')), source.abandon(id, as('dev'))])
    await assert.rejects(again, refuses('CONFLICT', /is merged/));
});

test('a change whose base moved is merged mechanically, and a conflict says what to do', async () => {
  await using t = await fixture();
  await t.begin();
  const { source } = t.current;
  const first = await proposed(t, 'a');
  const second = await proposed(t, 'b');
  // Another message: two equal commits of one second would be one commit.
  const clash = await proposed(t, 'a', { MESSAGE: 'Clash' }, 'clash');
  await t.commit(clash.folder, 'dev', 'a', 'something else\n');
  assert.equal((await t.propose(clash.folder, 'dev', `change=${clash.id}`)).id, clash.id);
  for (const { id } of [first, second, clash]) await source.approve(id, as('ria'));
  const one = await source.merge(first.id, as('ria'), passed);
  const two = await source.merge(second.id, as('ria'), passed);
  assert.equal(two.method, 'mechanical-merge');
  assert.equal(two.onto, one.commit);
  assert.notEqual(two.tree, two.reviewedTree);
  assert.deepEqual((await source.commitInfo('shop', two.commit)).parents, [one.commit, second.head]);
  assert.deepEqual(await source.listFiles('shop', two.commit, ''), ['README.md', 'a', 'b']);
  await assert.rejects(source.merge(clash.id, as('ria'), passed), refuses('CONFLICT', /conflicts with main in a .*Rebase onto main/));
  assert.equal(await source.tip('shop'), two.commit);
  assert.equal((await source.getChange(clash.id)).state, 'open');
});

test('two merges at once: one of the same change, both of different ones', async () => {
  await using t = await fixture();
  await t.begin();
  const { source } = t.current;
  const a = await proposed(t, 'a');
  const b = await proposed(t, 'b');
  for (const { id } of [a, b]) await source.approve(id, as('ria'));
  const ids = [a.id, a.id, b.id, b.id, a.id];
  const results = await Promise.allSettled(ids.map((id) => source.merge(id, as('rob'), passed)));
  const done = results.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  assert.deepEqual(done.map(({ change }) => change).sort(), [a.id, b.id]); // prettier-ignore
  assert.deepEqual(done.map(({ method }) => method).sort(), ['identical', 'mechanical-merge']); // prettier-ignore
  for (const each of results) if (each.status === 'rejected') refuses('CONFLICT', /is merged/)(each.reason);
});

test('nobody reviews what has his hand in it', async (t0) => {
  await using t = await fixture();
  await t.begin();
  const { source, } = t.current; // prettier-ignore
  const cases = [
    ['the pusher', {}, 'pushed', /ria pushed version 1/],
    ['an author, by address and whatever the case', { GIT_AUTHOR_EMAIL: 'RIA@example.com' }, 'dev', /ria is author/],
    ['a committer', { GIT_COMMITTER_EMAIL: 'ria@example.com' }, 'dev', /ria is committer/],
    ['an author under a second address', { GIT_AUTHOR_EMAIL: 'ria@home.example' }, 'dev', /ria is author/],
  ] as const;
  await t.identity.addEmail('ria' as PersonId, 'ria@home.example');
  for (const [what, env, pusher, words] of cases)
    await t0.test(what, async () => {
      const who = pusher === 'pushed' ? 'ria' : 'dev';
      const folder = await t.workingCopy(who, what.replaceAll(/\W/g, '-'));
      // The head is somebody else's: every commit of the range counts.
      await t.commit(folder, 'dev', 'first', what, env);
      await t.commit(folder, 'dev', 'second', what);
      const { id } = await t.propose(folder, who, 'new');
      await assert.rejects(source.approve(id, as('ria')), refuses('FORBIDDEN', words));
      await assert.rejects(source.reject(id, as('ria')), refuses('FORBIDDEN', words));
      assert.equal((await source.approve(id, as('rob'))).reviews.length, 1);
    });
  await t0.test('no reviewer by role, and nobody unknown', async () => {
    const { id } = await proposed(t, 'role');
    await assert.rejects(source.approve(id, as('eve')), refuses('FORBIDDEN', /eve is no reviewer/));
    await assert.rejects(source.approve(id, as('nobody')), refuses('FORBIDDEN', /no known person/));
    await assert.rejects(source.approve(99 as never, as('ria')), refuses('NOT_FOUND', /no change 99/));
  });
  await t0.test('somebody who became an author after the approval', async () => {
    const { id } = await proposed(t, 'later', { GIT_AUTHOR_EMAIL: 'someone@else.example' });
    await source.approve(id, as('rob'));
    await t.identity.addEmail('rob' as PersonId, 'someone@else.example');
    await assert.rejects(source.merge(id, as('ada'), passed), refuses('NOT_MERGEABLE', /0 of 1 approvals/));
  });
  await t0.test('somebody who lost the role, or was removed, after the approval', async () => {
    await t.identity.addPerson({ id: 'tmp', emails: [], role: 'reviewer' });
    const { id } = await proposed(t, 'lost');
    await source.approve(id, as('tmp'));
    await t.identity.setRole('tmp' as PersonId, 'developer');
    await assert.rejects(source.merge(id, as('ada'), passed), refuses('NOT_MERGEABLE', /0 of 1 approvals/));
    await t.identity.setRole('tmp' as PersonId, 'reviewer');
    await t.identity.removePerson('tmp' as PersonId);
    await assert.rejects(source.merge(id, as('ada'), passed), refuses('NOT_MERGEABLE', /0 of 1 approvals/));
  });
});

test('the pusher of an older version reviews no later one', async () => {
  await using t = await fixture();
  await t.begin();
  // rob opens, then becomes who he also was: only rows can put two pushers on one change, as pushes by others open their own.
  const folder = await t.workingCopy('rob');
  await t.commit(folder, 'dev', 'a', '1');
  const { id } = await t.propose(folder, 'rob');
  await t.commit(folder, 'dev', 'a', '2');
  assert.equal((await t.propose(folder, 'rob')).id, id);
  const db = t.store.as<{ change_version: { change_id: number; version: number; pusher: string } }>();
  await db.updateTable('change_version').set({ pusher: 'dev' }).where('version', '=', 2).execute();
  await assert.rejects(t.current.source.approve(id, as('rob')), refuses('FORBIDDEN', /rob pushed version 1/));
});

test('a new version voids approvals, also when it returns to what was approved', async () => {
  await using t = await fixture();
  await t.begin();
  const { source } = t.current;
  const { id, folder, head } = await proposed(t);
  await source.approve(id, as('ria'));
  await t.commit(folder, 'dev', 'a', 'evil');
  assert.equal((await t.propose(folder, 'dev')).id, id);
  const voided = await source.getChange(id);
  assert.deepEqual(voided.reviews.map(({ current }) => current), [false]); // prettier-ignore
  await assert.rejects(source.merge(id, as('ada'), passed), refuses('NOT_MERGEABLE', /version 2 has 0 of 1/));
  // Back to the approved head itself, then a revert to the approved tree: neither brings the approval back.
  await t.must(folder, 'dev', 'reset', '--quiet', '--hard', head);
  assert.equal((await t.propose(folder, 'dev', `change=${id}`)).id, id);
  assert.equal((await source.getChange(id)).versions[2]?.head, head);
  await assert.rejects(source.merge(id, as('ada'), passed), refuses('NOT_MERGEABLE', /version 3 has 0 of 1/));
  await t.commit(folder, 'dev', 'a', 'evil');
  await t.commit(folder, 'dev', 'a', 'a\n');
  assert.equal((await t.propose(folder, 'dev')).id, id);
  const last = (await source.getChange(id)).versions[3];
  assert.equal(last?.tree, voided.versions[0]?.tree, 'the approved tree');
  await assert.rejects(source.merge(id, as('ada'), passed), refuses('NOT_MERGEABLE', /version 4 has 0 of 1/));
  await source.approve(id, as('ria'));
  assert.equal((await source.merge(id, as('ria'), passed)).version, 4);
});

test('another change with the approved tree needs its own approval', async () => {
  await using t = await fixture();
  await t.begin();
  const one = await proposed(t, 'a');
  await t.current.source.approve(one.id, as('ria'));
  const two = await proposed(t, 'a', {}, 'replay');
  await assert.rejects(t.current.source.merge(two.id, as('ria'), passed), refuses('NOT_MERGEABLE', /0 of 1/));
});

test('a rejection blocks until its reviewer approves or a new version comes', async () => {
  await using t = await fixture();
  await t.begin();
  const { source } = t.current;
  const { id, folder } = await proposed(t);
  await source.reject(id, as('rob'), { comment: 'it\nleaks' });
  await source.approve(id, as('ria'));
  await assert.rejects(source.merge(id, as('ria'), passed), refuses('NOT_MERGEABLE', /rob rejected version 1: it leaks/));
  await source.approve(id, as('rob'));
  await source.reject(id, as('rob'));
  await assert.rejects(source.merge(id, as('ria'), passed), refuses('NOT_MERGEABLE', /rob rejected/));
  await t.commit(folder, 'dev', 'a', '2');
  await t.propose(folder, 'dev');
  await source.approve(id, as('ria'));
  assert.equal((await source.merge(id, as('ria'), passed)).version, 2);
});

test('two approvals, when two are required, are those of two people', async () => {
  await using t = await fixture({ requiredApprovals: 2 });
  await t.begin();
  const { source } = t.current;
  const { id } = await proposed(t);
  await source.approve(id, as('ria'));
  await source.approve(id, as('ria'));
  await assert.rejects(source.merge(id, as('ria'), passed), refuses('NOT_MERGEABLE', /1 of 2/));
  await source.approve(id, as('rob'));
  assert.equal((await source.merge(id, as('ria'), passed)).approvals.length, 2);
});

test('an unknown committer stops the merge until somebody knows the address', async () => {
  await using t = await fixture();
  await t.begin();
  const { source } = t.current;
  const { id, head } = await proposed(t, 'a', { GIT_COMMITTER_EMAIL: 'ghost@example.com', GIT_AUTHOR_EMAIL: 'outside@example.com' });
  await source.approve(id, as('ria'));
  await assert.rejects(
    source.merge(id, as('ria'), passed),
    refuses('NOT_MERGEABLE', new RegExp(`ghost@example\\.com> of ${head} is no known person.*An administrator adds`)),
  );
  await t.identity.addEmail('eve' as PersonId, 'Ghost@example.com');
  assert.equal((await source.merge(id, as('ria'), passed)).version, 1);
});

test('a forged merge of Waybill’s own hand is an unknown committer', async () => {
  await using t = await fixture();
  await t.begin();
  const { id } = await proposed(t, 'a', { GIT_COMMITTER_NAME: 'Waybill', GIT_COMMITTER_EMAIL: 'waybill@localhost' });
  await t.current.source.approve(id, as('ria'));
  await assert.rejects(t.current.source.merge(id, as('ria'), passed), refuses('NOT_MERGEABLE', /waybill@localhost/));
});

test('what is in main through another change is not merged again', async () => {
  await using t = await fixture();
  await t.begin();
  const { source } = t.current;
  const { id, folder } = await proposed(t);
  await t.commit(folder, 'dev', 'b', 'b');
  const stacked = await t.propose(folder, 'dev', 'new');
  for (const each of [id, stacked.id]) await source.approve(each, as('ria'));
  await source.merge(stacked.id, as('ria'), passed);
  await assert.rejects(source.merge(id, as('ria'), passed), refuses('CONFLICT', /everything in change 1 is in main already/));
  assert.equal((await source.abandon(id, as('dev'))).state, 'abandoned');
});

test('a push during the answer about the tests waits, and the merge is of what was judged', async () => {
  await using t = await fixture();
  await t.begin();
  const { source } = t.current;
  const { id, folder, head } = await proposed(t);
  await source.approve(id, as('ria'));
  await t.commit(folder, 'dev', 'a', 'evil');
  let pushing: ReturnType<typeof t.propose> | undefined;
  const merged = await source.merge(id, as('ria'), {
    async testsPassed() {
      pushing = t.propose(folder, 'dev');
      await new Promise((resolve) => setTimeout(resolve, 300));
      return { ok: true };
    },
  });
  assert.equal(merged.head, head);
  const late = await pushing;
  assert.notEqual(late?.id, id, 'the late push opens a change of its own');
  assert.equal((await source.getChange(id)).versions.length, 1);
});

test('a merger who loses the role while the tests are asked merges nothing', async () => {
  await using t = await fixture();
  const base = await t.begin();
  const { source } = t.current;
  const { id } = await proposed(t);
  await source.approve(id, as('ria'));
  const testsPassed = async () => {
    await t.identity.setRole('rob' as PersonId, 'developer');
    return { ok: true as const };
  };
  await assert.rejects(source.merge(id, as('rob'), { testsPassed }), refuses('FORBIDDEN', /rob may not merge/));
  assert.equal(await source.tip('shop'), base);
});

test('closing the source ends a merge that waits for the tests, and nothing is merged', async () => {
  await using t = await fixture();
  const base = await t.begin();
  const { source } = t.current;
  const { id } = await proposed(t);
  await source.approve(id, as('ria'));
  const asked = Promise.withResolvers<void>();
  const merging = source.merge(id, as('ria'), {
    testsPassed() {
      asked.resolve();
      return new Promise(() => undefined);
    },
  });
  await asked.promise;
  await Promise.all([assert.rejects(merging, refuses('CANCELLED', /the server stops/)), source[Symbol.asyncDispose]()]);
  assert.equal(await t.must(t.bare, 'ada', 'rev-parse', 'main'), base);
});

test('the signer counts the authors by which the approvals were judged: all pushers, and the hands of the merged version', async () => {
  await using t = await fixture();
  await t.begin();
  const { source } = t.current;
  const rob = { GIT_AUTHOR_NAME: 'rob', GIT_AUTHOR_EMAIL: 'rob@example.com' };
  const { folder, id } = await proposed(t, 'a', rob);
  await assert.rejects(source.approve(id, as('rob')), refuses('FORBIDDEN', /rob is author/));
  await t.must(folder, 'dev', 'commit', '--quiet', '--amend', '--reset-author', '-m', 'Without rob');
  assert.equal((await t.propose(folder, 'dev', `change=${id}`)).id, id);
  await source.approve(id, as('rob'));
  const { commit } = await source.merge(id, as('ria'), passed);
  const read = await readMergedCommit(t.store, await t.identity.listPeople(), 'shop', commit);
  assert.deepEqual(read?.authors, ['dev']);
});

test('what moves refs and rows is held, a push that is slow to come is not', async () => {
  let holders = 0;
  const seen: number[] = [];
  await using t = await fixture({
    async hold() {
      holders += 1;
      seen.push(holders);
      return { [Symbol.dispose]: () => (holders -= 1) };
    },
    onProposed: async () => ({ message: `${holders} hold` }),
  });
  await t.begin();
  const before = seen.length;
  const { id } = await proposed(t);
  assert.equal(seen.length, before + 1);
  assert.equal(holders, 0);
  await t.current.source.approve(id, as('ria'));
  await t.current.source.merge(id, as('ria'), passed);
  assert.deepEqual(seen, seen.map(() => 1)); // prettier-ignore
  const slow = connect(t.port, '127.0.0.1');
  const basic = Buffer.from(`dev:${t.tokens.get('dev')?.reveal() ?? ''}`).toString('base64');
  slow.write(`POST /git/shop.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ${basic}\r\n`);
  slow.write('Content-Type: application/x-git-receive-pack-request\r\nContent-Length: 100000\r\n\r\n0');
  await once(slow, 'ready');
  await t.current.source.createRepository({ name: 'other' });
  assert.equal(holders, 0);
  slow.destroy();
});
