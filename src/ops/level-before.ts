import { planFor } from '../plan/make-plan.ts';
import type { ScanLevel, TreeScan } from '../plan/scan-levels.ts';
import type { RunContext } from '../run/port.ts';
import { readPipeline } from './plan-commit.ts';
import type { World } from './world.ts';

/**
 * The level of a scan in the branch as it was before a merged commit: that commit is held to it, too, so that a change that relaxes a level does not profit from that itself. A
 * run of a change has its levels from there in any case. Undefined for a first push, and where the pipeline file of then cannot be read.
 */
export async function levelBefore(
  world: Pick<World, 'source'>,
  { head }: Pick<RunContext, 'head'>,
  scan: TreeScan | 'image',
): Promise<ScanLevel | undefined> {
  if (head.event !== 'merge' || !head.reviewed) return undefined;
  const merged = await world.source.reviewedCommit(head.repository, head.commit);
  if (merged?.onto === undefined) return undefined;
  const before = await readPipeline(world, head.repository, merged.onto);
  return before.ok ? planFor(before.pipeline, 'merge').scans?.[scan] : undefined;
}
