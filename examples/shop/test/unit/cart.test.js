import { test } from 'node:test';
import assert from 'node:assert/strict';
import { cartSchema, total } from '../../src/cart.js';

const bad = [
  undefined,
  null,
  [],
  {},
  { items: 'crate' },
  { items: [{ id: 'crate' }] },
  { items: [{ id: '', quantity: 1 }] },
  { items: [{ id: 'crate', quantity: 0 }] },
  { items: [{ id: 'crate', quantity: -1 }] },
  { items: [{ id: 'crate', quantity: 1.5 }] },
  { items: [{ id: 'crate', quantity: '1' }] },
  { items: [{ id: 'crate', quantity: 1001 }] },
  { items: Array.from({ length: 51 }, () => ({ id: 'crate', quantity: 1 })) },
];
for (const cart of bad)
  test(`${String(JSON.stringify(cart)).slice(0, 60)} is no cart`, () => assert.equal(cartSchema.safeParse(cart).success, false));

test('an empty cart costs nothing', () => assert.equal(total({ items: [] }).cents, 0));
test('lines of one product are added up before the discount', () => {
  const items = [
    { id: 'seal', quantity: 6 },
    { id: 'seal', quantity: 5 },
  ];
  assert.deepEqual(total({ items }).lines, [{ id: 'seal', quantity: 11, cents: 783 }]);
});
test('a large cart ships free', () => assert.equal(total({ items: [{ id: 'trolley', quantity: 2 }] }).shipping, 0));
test('a small cart pays for shipping', () => assert.equal(total({ items: [{ id: 'label', quantity: 1 }] }).cents, 1240));
test('what the shop does not sell is named', () => {
  const items = ['crate', 'anchor', 'sail'].map((id) => ({ id, quantity: 1 }));
  assert.deepEqual(total({ items }), { missing: ['anchor', 'sail'] });
});
