import type { ReviewedCommit } from '../source/port.ts';
import type { World } from './world.ts';

/** A merge as it stands in the ledger: who approved, what was merged, and how. */
export async function recordMerge(world: Pick<World, 'ledger'>, merged: ReviewedCommit): Promise<void> {
  await world.ledger.append({
    kind: 'merge',
    subject: [`gitCommit:${merged.commit}`, `gitTree:${merged.tree}`, `change:${merged.change}`],
    body: {
      repository: merged.repository,
      change: merged.change,
      version: merged.version,
      onto: merged.onto,
      head: merged.head,
      commit: merged.commit,
      tree: merged.tree,
      method: merged.method,
      approvals: merged.approvals.map((approval) => ({ ...approval })),
      mergedBy: merged.mergedBy,
    },
  });
}

/** Writes down, oldest first, the newest merges that a crash or a full disk has kept out of the ledger. @param newest newest first */
export async function recordMissingMerges(world: Pick<World, 'ledger'>, newest: readonly ReviewedCommit[]): Promise<number> {
  const missing: ReviewedCommit[] = [];
  for (const merged of newest) {
    const known = await world.ledger.entries({ kind: 'merge', subject: `gitCommit:${merged.commit}`, limit: 1 });
    if (known.length > 0) break;
    missing.unshift(merged);
  }
  for (const merged of missing) await recordMerge(world, merged);
  return missing.length;
}
