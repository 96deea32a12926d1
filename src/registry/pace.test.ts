import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgePace } from './pace.ts';

const limits = { bytesPerSecond: 1000, windowMs: 10_000 };

test('a client is too slow when it moves less than the minimum for a whole window', () => {
  const start = { bytes: 0, at: 0, reading: false };
  const at = (ms: number, bytes: number, more: { waiting?: boolean } = {}) =>
    judgePace(start, { at: ms, bytes, waiting: true, reading: false, ...more }, limits);
  assert.deepEqual(at(5_000, 0), start, 'not judged yet');
  assert.deepEqual(at(9_000, 10_000), { bytes: 10_000, at: 9_000, reading: false }, 'far enough: a new window begins');
  assert.equal(at(10_001, 9_999), undefined);
  assert.deepEqual(at(60_000, 0, { waiting: false }), { bytes: 0, at: 60_000, reading: false }, 'the server is what everything waits for');

  const reader = { bytes: 0, at: 0, reading: true };
  assert.deepEqual(judgePace(start, { ...reader, at: 60_000, waiting: true }, limits), { ...reader, at: 60_000 }, 'now it has to read');
  const reads = (ms: number) => judgePace(reader, { ...reader, at: ms, waiting: true }, limits);
  assert.deepEqual(reads(60_000), reader, 'a reader of a large piece has the time for all of it');
  assert.equal(reads(1_100_000), undefined);
});
