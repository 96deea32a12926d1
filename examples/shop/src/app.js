import { Hono } from 'hono';
import { cartSchema, total } from './cart.js';
import { findProduct, search } from './catalogue.js';

const maxBody = 64 * 1024;

/** The shop's HTTP interface. `revision` says which commit this is. */
export function createApp(revision) {
  const app = new Hono();
  app.get('/', (c) => c.json({ shop: 'open', commit: revision.commit }));
  app.get('/healthz', (c) => c.text('ok'));
  app.get('/products', (c) => c.json({ products: search({ category: c.req.query('category'), text: c.req.query('q') }) }));
  app.get('/products/:id', (c) => {
    const product = findProduct(c.req.param('id'));
    return product ? c.json(product) : c.json({ error: 'no such product' }, 404);
  });
  app.post('/cart/total', async (c) => {
    const text = await c.req.text();
    if (text.length > maxBody) return c.json({ error: 'too large' }, 413);
    const cart = cartSchema.safeParse(parseJson(text));
    if (!cart.success)
      return c.json({ error: 'not a cart', issues: cart.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`) }, 400);
    const result = total(cart.data);
    return result.missing ? c.json({ error: 'no such product', missing: result.missing }, 422) : c.json(result);
  });
  app.notFound((c) => c.json({ error: 'not found' }, 404));
  return app;
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
