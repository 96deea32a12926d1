import { test } from 'node:test';
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Batch } from './batch.ts';

test('what comes together is written together, in order, and nobody is told before it is written', async () => {
  const writes: number[][] = [];
  const told: number[] = [];
  const batch = new Batch<number>(async (items) => {
    await sleep(5);
    assert.ok(!items.some((item) => told.includes(item)), 'told before it was written');
    writes.push([...items]);
  }, 3);
  const add = async (item: number) => {
    await batch.add(item);
    told.push(item);
  };
  const first = [1, 2, 3, 4].map(add);
  await sleep(2);
  await Promise.all([...first, ...[5, 6].map(add)]);
  assert.deepEqual(writes, [
    [1, 2, 3],
    [4, 5, 6],
  ]);
  await add(7);
  assert.deepEqual(writes.at(-1), [7]);
});

test('a write that fails is told to those who were part of it, and to no other', async () => {
  const batch = new Batch<string>(async (items) => {
    if (items.includes('bad')) throw new Error('refused');
  }, 2);
  const ends = await Promise.allSettled(['good', 'bad', 'later', 'last'].map((item) => batch.add(item)));
  assert.deepEqual(
    ends.map(({ status }) => status),
    ['rejected', 'rejected', 'fulfilled', 'fulfilled'],
  );
});
