import { z } from 'zod';
import { findProduct } from './catalogue.js';
import { format, lineTotal, shipping } from './prices.js';

const item = z.object({ id: z.string().min(1).max(40), quantity: z.int().min(1).max(1000) });

/** What a client may send: at most 50 lines. */
export const cartSchema = z.object({ items: z.array(item).max(50) });

/** Lines of one product are added up, then priced. @returns `{ missing }` when the shop does not sell something */
export function total({ items }) {
  const quantities = new Map();
  for (const { id, quantity } of items) quantities.set(id, (quantities.get(id) ?? 0) + quantity);
  const missing = [...quantities.keys()].filter((id) => findProduct(id) === undefined);
  if (missing.length > 0) return { missing };
  const lines = [...quantities].map(([id, quantity]) => ({ id, quantity, cents: lineTotal(findProduct(id).cents, quantity) }));
  const goods = lines.reduce((sum, line) => sum + line.cents, 0);
  const cents = goods + shipping(goods);
  return { lines, goods, shipping: shipping(goods), cents, total: format(cents) };
}
