import { z } from 'zod';
import type { World } from './world.ts';

const body = z.object({ what: z.string(), detail: z.string() });
const newest = 20;
const page = 1000;

/** The newest refusals of the ledger, newest first. */
export async function listRefusals(world: Pick<World, 'ledger'>): Promise<{ at: string; what: string; detail: string }[]> {
  const size = await world.ledger.size();
  const entries = await world.ledger.entries({ from: Math.max(0, size - page), limit: page, kind: 'refusal' });
  return entries
    .slice(-newest)
    .toReversed()
    .flatMap((entry) => {
      const parsed = body.safeParse(entry.body);
      return parsed.success ? [{ at: entry.at, ...parsed.data }] : [];
    });
}
