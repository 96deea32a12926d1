import type { GitOid } from '../kernel/git-oid.ts';
import type { Release } from '../deploy/releases.ts';
import type { RunContext } from '../run/port.ts';
import { compareReports, knownThen } from '../scan/compare.ts';
import type { DatabaseState } from '../scan/coverage.ts';
import { partOf } from '../scan/release-comparison.ts';
import type { ScanReport } from '../scan/report.ts';
import type { Waivers } from '../scan/waivers.ts';
import { dependenciesRecord } from './dependencies-record.ts';
import { keepComparison, unlessItFails } from './keep-comparison.ts';
import { listCurrentReleases } from './list-current-releases.ts';
import type { World } from './world.ts';

const environmentsAtMost = 20;

/**
 * What the libraries of a change have that those of the release of each environment do not: for its reviewers, since nothing is built before the merge. Nothing hangs on it.
 * @param looked reports of commits that are there already, by commit; `now` is that of the change
 */
export async function compareChange(
  world: World,
  context: RunContext,
  change: { readonly now: ScanReport; readonly waivers: Waivers; readonly looked: ReadonlyMap<GitOid, ScanReport> },
): Promise<void> {
  const { head } = context;
  const looked = new Map(change.looked);
  const released = (await listCurrentReleases(world)).flatMap(({ release }) => (release?.repository === head.repository ? [release] : []));
  for (const release of released.slice(0, environmentsAtMost))
    await unlessItFails(world, context, release.environment, async () => {
      const was = looked.get(release.commit) ?? (await look(world, context, release));
      looked.set(release.commit, was);
      await compareTrees(world, context, { ...change, was, release });
    });
}

function look({ scanning }: World, { head, signal, log }: RunContext, { commit }: Release): Promise<ScanReport> {
  return scanning.scanners.dependencies({ repository: head.repository, commit }, { signal, log: (text) => log('waybill', text) });
}

async function compareTrees(
  world: World,
  context: RunContext,
  {
    now,
    was,
    waivers,
    release,
  }: { readonly now: ScanReport; readonly was: ScanReport; readonly waivers: Waivers; readonly release: Release },
): Promise<void> {
  const then = await dependenciesRecord(world, await world.journal.state(release.run));
  const known = then && knownThen([then]);
  const { databaseDays } = world.scanning;
  const at = world.clock.now();
  const verdict = compareReports({ now, was, ...(known ? { known } : {}), levels: [], waivers, at, databaseDays });
  const about = {
    name: 'dependencies',
    now: context.head.commit,
    was: release.commit,
    databases: now.coverage.databases ?? [],
    notes: [
      ...(known ? [] : ['what was known when it was released is not on record in full, so what became known since is not told']),
      ...(sameAdvisories(now, was)
        ? []
        : ['the advisories changed between the two looks, so something that is new may be new to the world only']),
    ],
  };
  const parts = [{ part: partOf(about, verdict), verdict }];
  await keepComparison(world, context, { environment: release.environment, levels: [], release, parts, removed: [] });
}

/** Where both were looked up in an ecosystem, in the same state of it. */
function sameAdvisories(one: ScanReport, other: ScanReport): boolean {
  const states = new Map((one.coverage.databases ?? []).map((state): [string, DatabaseState] => [state.ecosystem, state]));
  return (other.coverage.databases ?? []).every(({ ecosystem, digest }) => (states.get(ecosystem)?.digest ?? digest) === digest);
}
