import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countPoints, killAndLook } from './kill-points.fixture.ts';

/** Of all points, beginning at one that is drawn: all of them are met in time, and at once by `npm run soak -- --kill-points`. */
const rounds = 5;

test('kill -9 before and after changes to the disk: what was answered holds, nothing is damaged, and it can be done again', async () => {
  const all = await countPoints();
  assert.ok(all > 100, `only ${all} points were met`);
  const first = Math.random();
  const points = Array.from({ length: rounds }, (_, n) => 1 + Math.floor(((first + n) * all) / rounds)).values();
  await Promise.all(
    [0, 1].map(async () => {
      for (const killAt of points) await killAndLook(killAt);
    }),
  );
});
