import { test } from 'node:test';
import assert from 'node:assert/strict';
import { format, freeShippingFrom, lineTotal, shipping, shippingCents } from '../../src/prices.js';

const lines = [
  [100, 1, 100],
  [100, 9, 900],
  [100, 10, 950],
  [100, 49, 4655],
  [100, 50, 4500],
  [100, 99, 8910],
  [100, 100, 8500],
  [75, 11, 783],
  [1, 10, 9],
];
for (const [cents, quantity, sum] of lines) {
  test(`${quantity} for ${cents} cents each cost ${sum}`, () => assert.equal(lineTotal(cents, quantity), sum));
}

const parcels = [
  [0, 0],
  [1, shippingCents],
  [freeShippingFrom - 1, shippingCents],
  [freeShippingFrom, 0],
];
for (const [cents, cost] of parcels) test(`shipping of ${cents} cents costs ${cost}`, () => assert.equal(shipping(cents), cost));

const texts = [
  [0, '0.00 €'],
  [5, '0.05 €'],
  [100, '1.00 €'],
  [1290, '12.90 €'],
  [123456, '1234.56 €'],
];
for (const [cents, text] of texts) test(`${cents} cents read ${text}`, () => assert.equal(format(cents), text));
