import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openGrantLog, type TokenGrant } from './grant-log.ts';

const hour = 60 * 60_000;
const grant = (holder: string, ...repositories: string[]): TokenGrant => ({ kind: 'token', holder, repositories, expiresAt: '' });

test('however many scopes one holder makes up, the ledger grows by a hundred and one an hour, and leaves nothing unsaid', async () => {
  const written: TokenGrant[] = [];
  const tell = openGrantLog(async (each) => {
    await new Promise((resolve) => setImmediate(resolve));
    written.push(each);
  });
  await Promise.all(Array.from({ length: 5_000 }, (_, n) => tell(grant('anna', `made/up-${n}`), 0)));
  for (let n = 0; n < 5_000; n++) await tell(grant('anna', `one/by-one-${n}`), 1_000);
  assert.equal(written.length, 101);
  assert.deepEqual(written.at(-1), { ...grant('anna'), everything: true });
  await tell(grant('root', 'a/b'), 1_000);
  assert.deepEqual(written.at(-1), grant('root', 'a/b'), 'another holder is told for himself');
  await tell(grant('anna', 'a/b'), hour + 1_001);
  assert.deepEqual(written.at(-1), grant('anna', 'a/b'), 'the next hour begins anew');
});

test('whoever asks waits until the first was written; what could not be written is tried again, and not granted', async () => {
  let fail: ((error: Error) => void) | undefined;
  let tries = 0;
  const tell = openGrantLog(
    () =>
      new Promise((_resolve, reject) => {
        tries += 1;
        fail = reject;
      }),
  );
  const both = [tell(grant('anna', 'a/b'), 0), tell(grant('anna', 'a/b'), 0)];
  assert.equal(tries, 1);
  fail?.(new Error('the ledger is full'));
  for (const each of await Promise.allSettled(both)) assert.equal(each.status, 'rejected');
  void tell(grant('anna', 'a/b'), 1).catch(() => undefined);
  assert.equal(tries, 2);
});
