import type { RunState } from '../run/state.ts';
import { parseRecord, type ScanRecord } from '../scan/record.ts';
import type { World } from './world.ts';

/** What the scan of a run's libraries has found; undefined where none was made. */
export async function dependenciesRecord({ scanning }: Pick<World, 'scanning'>, { scans }: RunState): Promise<ScanRecord | undefined> {
  const scanned = scans.find(({ name }) => name === 'dependencies')?.scanned;
  return scanned && parseRecord(await scanning.documents.get('record', scanned.record));
}
