import type { World } from './world.ts';

/** Every no is kept: what was tried, and why it was refused. */
export async function recordRefusal(world: Pick<World, 'ledger' | 'logger'>, what: string, detail: string): Promise<void> {
  world.logger.warn({ what, detail }, 'refused');
  await world.ledger.append({ kind: 'refusal', body: { what: what.slice(0, 500), detail: detail.slice(0, 2000) } });
}
