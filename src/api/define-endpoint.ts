import { z } from 'zod';
import type { Endpoint } from './endpoint.ts';

export const none = z.object({});
export const id = z.object({ id: z.coerce.number().int().positive() });
export const name = z.object({ name: z.string().max(100) });
export const ok = z.object({ ok: z.literal(true) });
export const comment = z.object({ comment: z.string().max(4096).default('') });

/** Fills in what an endpoint does not have. */
export function endpoint<
  P extends z.ZodType = typeof none,
  Q extends z.ZodType = typeof none,
  B extends z.ZodType = typeof none,
  R extends z.ZodType = typeof ok,
>(
  method: Endpoint['method'],
  path: string,
  access: Endpoint['access'],
  summary: string,
  parts: { params?: P; query?: Q; body?: B; reply?: R } = {},
): Endpoint<P, Q, B, R> {
  return {
    method,
    path: `/api/v1${path}`,
    access,
    summary,
    params: parts.params ?? (none as unknown as P),
    query: parts.query ?? (none as unknown as Q),
    body: parts.body ?? (none as unknown as B),
    reply: parts.reply ?? (ok as unknown as R),
  };
}
