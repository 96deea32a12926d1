import type { ScanView } from '../api/scan-views.ts';
import { WaybillError, messageOf } from '../kernel/error.ts';
import { countsOf, parseRecord } from '../scan/record.ts';
import { keepScan } from './keep-scan.ts';
import { readWaivers } from './scan-source.ts';
import { recordView } from './show-scans.ts';
import type { World } from './world.ts';

/**
 * Looks for credentials in everything that a repository's branches, tags and changes have ever held. It reports: what is in the history is out, and has to be revoked, whatever a
 * run says. Blobs that were clean under the same rules are not read again.
 */
export async function scanHistory(world: World, repository: string, by: string, signal: AbortSignal): Promise<ScanView> {
  const tip = await world.source.tip(repository);
  if (!tip) throw new WaybillError('NOT_FOUND', `the repository ${repository} has no commit yet`, { fix: 'Push something to it first.' });
  const waivers = await readWaivers(world, repository, tip);
  const { scanners, histories } = world.scanning;
  const report = await scanners.secrets(
    { repository, commit: tip, history: true, rulesFrom: tip, salt: waivers.salt },
    { signal, log: (text) => world.logger.info({ repository, text }, 'a history is being scanned') },
  );
  const { record, digest } = await keepScan(world, report, { level: 'report', waivers });
  const before = await histories.latest(repository);
  const found = countsOf(record);
  await histories.set(repository, digest);
  if (before !== digest || by !== 'timer')
    await world.ledger.append({
      kind: 'admin',
      subject: [repository],
      body: { act: 'history-scanned', by, repository, commit: tip, record: digest, findings: record.findingCount, waived: found.waived },
    });
  const open = record.findingCount - found.waived;
  if (open > 0) world.logger.warn({ repository, findings: open }, 'there are credentials in the history of a repository');
  return recordView('history', digest, record);
}

/** The newest look. @throws WaybillError NOT_FOUND before there is one */
export async function showHistoryScan(world: Pick<World, 'scanning' | 'source'>, repository: string): Promise<ScanView> {
  if (!(await world.source.getRepository(repository))) throw new WaybillError('NOT_FOUND', `there is no repository ${repository}`);
  const digest = await world.scanning.histories.latest(repository);
  if (digest === undefined)
    throw new WaybillError('NOT_FOUND', `the history of ${repository} was not scanned yet`, {
      fix: `An administrator scans it: waybill repo history ${repository} --scan`,
    });
  return recordView('history', digest, parseRecord(await world.scanning.documents.get('record', digest)));
}

/** All repositories, one after another; one that fails keeps no other from being looked at. */
export async function scanHistories(world: World, by: string, signal: AbortSignal): Promise<void> {
  for (const { name } of await world.source.listRepositories()) {
    if (signal.aborted) return;
    if (!(await world.source.tip(name))) continue;
    try {
      await scanHistory(world, name, by, signal);
    } catch (error) {
      if (signal.aborted) return;
      world.logger.error({ repository: name, error: messageOf(error) }, 'a history could not be scanned');
    }
  }
}
