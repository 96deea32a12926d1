import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgePace } from './pace.ts';

const limits = { bytesPerSecond: 1000, windowMs: 10_000 };

test('a client is too slow when it moves less than the minimum for a whole window', () => {
  const start = { bytes: 0, at: 0 };
  const at = (ms: number, bytes: number, more: { waiting?: boolean; reading?: boolean } = {}) =>
    judgePace(start, { at: ms, bytes, waiting: true, reading: false, ...more }, limits);
  assert.deepEqual(at(5_000, 0), start, 'not judged yet');
  assert.deepEqual(at(9_000, 10_000), { bytes: 10_000, at: 9_000 }, 'far enough: a new window begins');
  assert.equal(at(10_001, 9_999), undefined);
  assert.deepEqual(at(60_000, 0, { waiting: false }), { bytes: 0, at: 60_000 }, 'the server is what everything waits for');
  assert.deepEqual(at(60_000, 0, { reading: true }), start, 'a reader of a large piece has the time for all of it');
  assert.equal(at(1_100_000, 0, { reading: true }), undefined);
});
