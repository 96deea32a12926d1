import { test } from 'node:test';
import assert from 'node:assert/strict';
import { findProduct, products, search } from '../../src/catalogue.js';

for (const product of products) {
  test(`${product.id} can be sold`, () => {
    assert.match(product.id, /^[a-z]+$/);
    assert.ok(product.name.length > 0);
    assert.ok(Number.isInteger(product.cents) && product.cents > 0);
    assert.equal(findProduct(product.id), product);
  });
}

test('no two products share an id', () => assert.equal(new Set(products.map((product) => product.id)).size, products.length));
test('an unknown id finds nothing', () => assert.equal(findProduct('anchor'), undefined));

const searches = [
  [{}, 8],
  [{ category: 'tools' }, 2],
  [{ category: 'paper' }, 3],
  [{ category: 'none' }, 0],
  [{ text: 'ROPE' }, 1],
  [{ text: '  pal ' }, 1],
  [{ text: '' }, 8],
  [{ category: 'paper', text: 'seal' }, 1],
  [{ category: 'tools', text: 'seal' }, 0],
];
for (const [query, count] of searches)
  test(`a search for ${JSON.stringify(query)} finds ${count}`, () => assert.equal(search(query).length, count));
