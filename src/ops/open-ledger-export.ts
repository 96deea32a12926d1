import { exportLedger } from '../ledger/export.ts';
import type { World } from './world.ts';

/** The whole ledger as NDJSON, with the key that its checkpoints are to be verified with by somebody who trusts it. */
export async function openLedgerExport(world: Pick<World, 'store' | 'papers'>): Promise<AsyncIterable<string>> {
  const { ledger } = await world.papers.keys();
  return exportLedger(world.store, [ledger]);
}
