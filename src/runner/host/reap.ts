import { join } from 'node:path';
import { descendantsOf, isRunning, killAll } from './process.ts';
import { listJobs, readRecord, removeRecord } from './record.ts';
import { removeTree } from './remove.ts';
import { processesWithCookie } from './tree-end.ts';

/**
 * Ends and removes every job that is not `mine`. In a sandbox everything dies with Waybill; this is for what did not, for
 * runs without a sandbox, and for the folders. Network namespaces have no name: they end with their processes.
 */
export async function reapJobs(jobs: string, mine: (id: string) => boolean): Promise<string[]> {
  const ended: string[] = [];
  for (const id of listJobs(jobs)) {
    if (mine(id)) continue;
    const record = readRecord(jobs, id);
    if (record) {
      const roots = record.processes.filter(isRunning);
      await killAll([...roots.flatMap(({ pid }) => descendantsOf(pid)), ...roots]);
      // Between two looks somebody may fork; nobody can do so for ever while his cookie is looked for.
      for (let round = 0; round < 20 && (await killAll(processesWithCookie(record.cookie))).length > 0; round += 1);
    }
    await removeTree(join(jobs, id));
    removeRecord(jobs, id);
    ended.push(id);
  }
  return ended;
}
