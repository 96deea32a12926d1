import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BearerTokens, type Access } from './access.ts';

const access = (kind: Access['kind'], holder: string, expiresAt = 1_000): Access => ({
  kind,
  holder,
  mayPull: 'everything',
  pull: 'everything',
  expiresAt,
});

test('whoever asks for ever more tokens loses his own oldest, and nobody else loses one', () => {
  const bearers = new BearerTokens(100);
  const root = bearers.issue(access('person', 'root'), 0);
  const cluster = bearers.issue(access('pull', 'environment production'), 0);
  const run = bearers.issue(access('push', 'run 1'), 0);
  const anna = Array.from({ length: 1_000 }, () => bearers.issue(access('person', 'anna'), 0));
  for (const token of [root, cluster, run]) assert.ok(bearers.find(token, 1));
  assert.equal(anna.filter((token) => bearers.find(token, 1)).length, 25);
  assert.ok(bearers.find(anna.at(-1) ?? '', 1));
});

test('many holders at once: the oldest go, a push token never; what expired goes first', () => {
  const bearers = new BearerTokens(10);
  const run = bearers.issue(access('push', 'run 1'), 0);
  const short = bearers.issue(access('person', 'anna', 5), 0);
  const kept = bearers.issue(access('person', 'root'), 0);
  for (let n = 0; n < 8; n++) bearers.issue(access('person', `p${n}`), 10);
  assert.equal(bearers.find(short, 1), undefined);
  assert.ok(bearers.find(kept, 10));
  for (let n = 0; n < 50; n++) bearers.issue(access('person', `q${n}`), 10);
  assert.equal(bearers.find(kept, 10), undefined);
  assert.ok(bearers.find(run, 10));
});
