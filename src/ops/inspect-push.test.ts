import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../kernel/logger.ts';
import { addSecretWaiver } from '../scan/add-waiver.ts';
import { derivedSalt, Fingerprints } from '../scan/secrets/fingerprint.ts';
import { fillExample } from '../scan/secrets/examples.ts';
import { fixture } from '../source/local/fixture.ts';
import { inspectPush } from './inspect-push.ts';

const clock = { now: () => new Date('2026-03-01T12:00:00Z') };
const inspect = {
  inspectPush: (push: Parameters<typeof inspectPush>[1]) => inspectPush({ clock, scanner: 'waybill test', logger: silentLogger }, push),
};
const secret = fillExample('ghp_<crc62>', 'push');

test('a push that adds a credential is refused with file and line, and nothing of it is recorded', async () => {
  await using t = await fixture(inspect);
  await t.begin();
  const dev = await t.workingCopy('dev');
  await t.commit(dev, 'dev', 'src/config.ts', `// the shop\nexport const token = '${secret}';\n`);
  const refused = await t.propose(dev, 'dev');
  assert.notEqual(refused.code, 0);
  assert.match(refused.out, /the push adds a credential: GitHub personal access token in src\/config\.ts:2/);
  assert.match(refused.out, /Take it out of use first/);
  for (let at = 0; at + 8 <= secret.length; at++) assert.equal(refused.out.includes(secret.slice(at, at + 8)), false);
  assert.deepEqual(await t.current.source.listChanges(), []);

  // Taken away by a later commit it is still pushed.
  await t.commit(dev, 'dev', 'src/config.ts', 'export const token = process.env.TOKEN;\n');
  assert.match((await t.propose(dev, 'dev')).out, /src\/config\.ts:2/);

  await t.must(dev, 'dev', 'reset', '--quiet', '--soft', 'origin/main');
  await t.must(dev, 'dev', 'commit', '--quiet', '-m', 'Read it from the environment');
  assert.equal((await t.propose(dev, 'dev')).code, 0);
});

test('a waiver or a reason that is pushed with it lets it in; one that is over does not', async () => {
  await using t = await fixture(inspect);
  const base = await t.begin();
  const dev = await t.workingCopy('dev');
  const salt = derivedSalt([base]);
  const fingerprint = await new Fingerprints(salt).of(secret);
  const waiver = (expires: string) =>
    addSecretWaiver(undefined, { rule: 'github-pat', fingerprint, reason: 'revoked long ago', owner: 'dev', expires }, salt);
  await t.commit(dev, 'dev', 'a.txt', secret);
  await t.commit(dev, 'dev', '.waybill/waivers.yaml', waiver('2026-02-01'));
  assert.match((await t.propose(dev, 'dev')).out, /a\.txt:1/);
  await t.commit(dev, 'dev', '.waybill/waivers.yaml', waiver('2026-05-01'));
  assert.equal((await t.propose(dev, 'dev')).code, 0);

  const eve = await t.workingCopy('eve');
  await t.commit(eve, 'eve', 'b.txt', `token = ${fillExample('ghp_<crc62>', 'other')} # waybill:allow of the tutorial, opens nothing`);
  assert.equal((await t.propose(eve, 'eve')).code, 0);
});

test('a token whose checksum is wrong was never one; what only might be one is left to the run', async () => {
  await using t = await fixture(inspect);
  await t.begin();
  const dev = await t.workingCopy('dev');
  await t.commit(
    dev,
    'dev',
    'a.txt',
    `${secret.slice(0, -1)}${secret.endsWith('0') ? '1' : '0'}\napi_key = "${fillExample('<alnum:32>', 'generic')}"\n`,
  );
  assert.equal((await t.propose(dev, 'dev')).code, 0);
});

test('rules are those of the protected branch: a change cannot switch one off for itself', async () => {
  await using t = await fixture(inspect);
  await t.begin();
  const dev = await t.workingCopy('dev');
  await t.commit(dev, 'dev', '.waybill/secret-rules.yaml', 'version: 1\ndisable: [github-pat]\n');
  await t.commit(dev, 'dev', 'a.txt', secret);
  assert.match((await t.propose(dev, 'dev')).out, /a\.txt:1/);
});

test('the first push is looked at too, with all of its history', async () => {
  await using t = await fixture(inspect);
  const ada = await t.workingCopy('ada');
  await t.must(ada, 'ada', 'checkout', '--quiet', '-B', 'main');
  await t.commit(ada, 'ada', 'a.txt', secret);
  await t.commit(ada, 'ada', 'a.txt', 'gone');
  assert.match((await t.git(ada, 'ada', 'push', 'origin', 'main')).out, /GitHub personal access token in a\.txt:1/);
  assert.equal(await t.current.source.tip('shop'), undefined);
});

test('a push that cannot be looked at is refused', async () => {
  await using t = await fixture({
    inspectPush: (push) => inspectPush({ clock, scanner: 'waybill test', logger: silentLogger }, { ...push, folder: '/nowhere' }),
  });
  const ada = await t.workingCopy('ada');
  await t.must(ada, 'ada', 'checkout', '--quiet', '-B', 'main');
  await t.commit(ada, 'ada', 'a.txt', 'a');
  assert.match((await t.git(ada, 'ada', 'push', 'origin', 'main')).out, /could not be searched for credentials/);
});
