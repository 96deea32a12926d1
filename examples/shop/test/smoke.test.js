import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createApp } from '../src/app.js';

const app = createApp({ commit: 'abc' });

test('the shop is open, and says which commit it is', async () => {
  assert.deepEqual(await (await app.request('/')).json(), { shop: 'open', commit: 'abc' });
});

test('it is healthy', async () => {
  assert.equal((await app.request('/healthz')).status, 200);
});

test('a cart has a total', async () => {
  const reply = await app.request('/cart/total', { method: 'POST', body: JSON.stringify({ items: [{ id: 'crate', quantity: 1 }] }) });
  assert.equal((await reply.json()).total, '19.80 €');
});
