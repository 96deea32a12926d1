import assert from 'node:assert/strict';
import { test } from 'node:test';
import { people, startTestRegistry } from './registry.fixture.ts';
import { RateLimit } from './rate-limit.ts';

test('a burst, then so many a second, each key for itself; quiet keys are forgotten', () => {
  const limit = new RateLimit({ perSecond: 2, burst: 3, keys: 2 });
  for (let n = 0; n < 3; n++) {
    assert.equal(limit.wait('a', 0), 0);
    limit.take('a', 0);
  }
  assert.equal(limit.wait('a', 0), 1);
  assert.equal(limit.wait('b', 0), 0);
  assert.equal(limit.wait('a', 500), 0);
  for (const key of ['b', 'c', 'd']) limit.take(key, 10_000);
  assert.equal(limit.wait('a', 10_000), 0);
});

const basic = (name: string, password: string) => ({ authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` });

test('guessing a token is slowed down, without locking out others or the right token elsewhere', async () => {
  await using t = await startTestRegistry();
  const ask = (name: string, password: string) =>
    fetch(`${t.url}/registry/token?scope=repository:a/b:pull`, { headers: basic(name, password) });
  const statuses: number[] = [];
  for (let n = 0; n < 35; n++) statuses.push((await ask('anna', `guess-${n}`)).status);
  assert.deepEqual([...new Set(statuses)], [401, 429]);
  const limited = await ask('anna', 'guess');
  assert.ok(Number(limited.headers.get('retry-after')) > 0);
  assert.match(await limited.text(), /TOOMANYREQUESTS/);
  assert.equal((await ask('root', people.root)).status, 200);
  t.time.aheadMs += 60_000;
  assert.equal((await ask('anna', people.anna)).status, 200);
});

test('one address that tries many names is held back, however many at once', async () => {
  await using t = await startTestRegistry();
  const started = Date.now();
  const tries = Array.from({ length: 400 }, (_, n) => fetch(`${t.url}/v2/`, { headers: basic(`name-${n}`, 'guess') }));
  const statuses = (await Promise.all(tries)).map((answer) => answer.status);
  // Two more for each second that it takes here.
  const more = Math.ceil((2 * (Date.now() - started)) / 1000);
  const tried = statuses.filter((status) => status === 401).length;
  assert.ok(tried >= 300 && tried <= 300 + more, `${tried} tries`);
  assert.equal(statuses.filter((status) => status === 429).length, 400 - tried);
});

test('one holder who asks too often waits; the ledger hears of a grant once an hour', async () => {
  await using t = await startTestRegistry({ limits: { requestsPerSecond: 1 } });
  const token = async () => {
    const answer = await fetch(`${t.url}/registry/token?scope=repository:a/b:pull`, { headers: basic('anna', people.anna) });
    return (await answer.json()) as { token: string };
  };
  const { token: bearer } = await token();
  await token();
  assert.deepEqual(
    t.grants.map((grant) => grant.kind === 'token' && [grant.holder, ...grant.repositories]),
    [['anna', 'a/b']],
  );
  t.time.aheadMs += 61 * 60_000;
  await token();
  assert.equal(t.grants.length, 2);
  t.time.aheadMs -= 61 * 60_000;
  const statuses = [];
  for (let n = 0; n < 30; n++) {
    const answer = await fetch(`${t.url}/v2/`, { headers: { authorization: `Bearer ${bearer}` } });
    statuses.push(answer.status);
  }
  assert.equal(statuses[0], 200);
  assert.equal(statuses.at(-1), 429);
});
