import type { SinceReleaseView } from '../api/since-views.ts';
import type { ChangeView } from '../api/change-views.ts';
import type { RunId } from '../kernel/ids.ts';
import { parseComparison, sumOf, type ComparedPart } from '../scan/release-comparison.ts';
import { findingOf, newestRunOf } from './show-scans.ts';
import type { World } from './world.ts';

/** What a run brings to each environment that the release there has not, as it was when it was looked at. */
export async function showSince(world: Pick<World, 'journal' | 'scanning'>, run: RunId): Promise<SinceReleaseView[]> {
  const views: SinceReleaseView[] = [];
  for (const { comparison: digest } of (await world.journal.state(run)).compared) {
    const {
      version: _,
      levels,
      reasons,
      parts,
      removed,
      ...comparison
    } = parseComparison(await world.scanning.documents.get('comparison', digest));
    views.push({
      ...comparison,
      comparison: digest,
      levels: [...levels],
      reasons: [...reasons],
      found: sumOf(parts),
      parts: parts.map(partView),
      removed: [...removed],
    });
  }
  return views;
}

/** That of the run of a change's newest version. */
export async function sinceOfChange(world: Pick<World, 'journal' | 'scanning'>, change: ChangeView): Promise<SinceReleaseView[]> {
  const run = newestRunOf(change);
  return run === undefined ? [] : showSince(world, run);
}

function partView({ fresh, gone, learned, counts, worst, databases, notes, ...part }: ComparedPart): SinceReleaseView['parts'][number] {
  return {
    ...part,
    fresh: fresh.map(findingOf),
    gone: gone.map((finding) => findingOf({ ...finding, isNew: false, fails: false })),
    learned: learned.map(findingOf),
    found: { ...counts, ...(worst === undefined ? {} : { worst }) },
    databases: databases.map(({ ecosystem, advisories, updatedAt }) => ({ ecosystem, advisories, updatedAt })),
    notes: [...notes],
  };
}
