import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { serve } from '@hono/node-server';
import { createApp } from '../../src/app.js';

let server;
let url;

before(async () => {
  url = await new Promise((resolve) => {
    server = serve({ fetch: createApp({ commit: 'abc' }).fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) =>
      resolve(`http://127.0.0.1:${port}`),
    );
  });
});
after(() => server.close());

const gets = [
  ['/', 200, { shop: 'open', commit: 'abc' }],
  ['/products/rope', 200, { id: 'rope', name: 'Rope, 20 m', category: 'packing', cents: 899 }],
  ['/products/anchor', 404, { error: 'no such product' }],
  ['/nowhere', 404, { error: 'not found' }],
  ['/products?category=none', 200, { products: [] }],
];
for (const [path, status, body] of gets) {
  test(`GET ${path} answers ${status}`, async () => {
    const reply = await fetch(url + path);
    assert.equal(reply.status, status);
    assert.deepEqual(await reply.json(), body);
  });
}

test('GET /products lists all of them', async () => assert.equal((await (await fetch(`${url}/products`)).json()).products.length, 8));
test('GET /products?q= searches', async () =>
  assert.equal((await (await fetch(`${url}/products?q=pad`)).json()).products[0].id, 'waybill'));
test('GET /healthz answers ok', async () => assert.equal(await (await fetch(`${url}/healthz`)).text(), 'ok'));

const posts = [
  ['{"items":[{"id":"crate","quantity":2}]}', 200],
  ['{"items":[]}', 200],
  ['{"items":[{"id":"anchor","quantity":1}]}', 422],
  ['{"items":[{"id":"crate","quantity":0}]}', 400],
  ['{"items":', 400],
  ['', 400],
  ['null', 400],
  [' '.repeat(70_000), 413],
];
for (const [body, status] of posts) {
  test(`POST /cart/total of ${JSON.stringify(body.slice(0, 45))} answers ${status}`, async () => {
    const reply = await fetch(`${url}/cart/total`, { method: 'POST', body });
    assert.equal(reply.status, status);
    assert.equal(typeof (await reply.json()), 'object');
  });
}

test('ten carts at once each get their own total', async () => {
  const totals = await Promise.all(
    Array.from({ length: 10 }, async (_, index) => {
      const reply = await fetch(`${url}/cart/total`, {
        method: 'POST',
        body: JSON.stringify({ items: [{ id: 'seal', quantity: index + 1 }] }),
      });
      return (await reply.json()).goods;
    }),
  );
  assert.deepEqual(totals, [75, 150, 225, 300, 375, 450, 525, 600, 675, 712]);
});
