import type { NewEntry } from '../ledger/entry.ts';
import type { MatchedAgain } from '../scan/inventory/match-again.ts';
import type { News } from '../scan/inventory/news.ts';
import { digestsInUse, inUse, type EnvironmentUse } from './in-use.ts';
import type { World } from './world.ts';

/** One at a time: two would look up the same, and call the same thing news. */
export async function openAndMatch(world: Pick<World, 'scanning'>, signal: AbortSignal): Promise<MatchedAgain> {
  const { scanning } = world;
  using _turn = await scanning.matching.acquire(signal);
  using database = await scanning.openAdvisories();
  return await scanning.inventory.matchAgain(database, signal);
}

type MatchWorld = Pick<World, 'scanning' | 'environments' | 'releases' | 'target' | 'ledger' | 'logger' | 'store'>;
const atOnce = 50;
const mostRounds = 200;

/**
 * Looks up every component of every image in the advisories of today, where they changed, and tells what became vulnerable: each finding once, in the log and in the
 * ledger, with where it runs. The entry and the mark that it was told are one transaction.
 */
export async function matchImagesAgain(world: MatchWorld, signal: AbortSignal): Promise<MatchedAgain> {
  const done = await openAndMatch(world, signal);
  let uses: readonly EnvironmentUse[] | undefined;
  for (let round = 0; round < mostRounds; round++) {
    const untold = { untold: true, limit: atOnce, digests: uses ? digestsInUse(uses) : [], better: true } as const;
    let news = await world.scanning.inventory.newlyVulnerable(untold);
    if (news.length === 0) break;
    if (!uses) {
      uses = await inUse(world, { ask: true, signal });
      news = await world.scanning.inventory.newlyVulnerable({ ...untold, digests: digestsInUse(uses) });
    }
    for (const each of news) {
      signal.throwIfAborted();
      await tell(world, each, uses);
    }
  }
  return done;
}

async function tell(world: MatchWorld, news: News, uses: readonly EnvironmentUse[]): Promise<void> {
  const digests = new Set<string>(news.images.map(({ digest }) => digest));
  const pods = uses.flatMap(({ environment, running = [] }) =>
    running.flatMap(({ digest, pod, workload }) =>
      digest !== undefined && digests.has(digest) ? [{ environment: environment.name, workload, pod, digest }] : [],
    ),
  );
  const silent = uses.flatMap(({ environment, running, why }) => (running ? [] : [{ environment: environment.name, why: why ?? '' }]));
  const what = {
    advisory: news.advisory,
    severity: news.severity,
    title: news.title,
    purls: news.components.slice(0, 20).map(({ purl }) => purl),
  };
  const entry: NewEntry = {
    kind: 'admin',
    subject: [news.advisory.slice(0, 200), ...digests],
    body: {
      act: 'newly-vulnerable',
      by: 'advisories',
      ...what,
      images: news.images.map((image) => ({ ...image })),
      imageCount: news.imageCount,
      pods: pods.slice(0, 200),
      podCount: pods.length,
      notAsked: silent,
    },
  };
  const told = await world.store
    .as<never>()
    .transaction()
    .execute(async (transaction) => {
      const first = await world.scanning.inventory.markTold(news, transaction);
      if (first) await world.ledger.append(entry, transaction);
      return first;
    });
  if (!told) return;
  world.logger.warn(
    { ...what, images: news.imageCount, pods: pods.length, notAsked: silent.map(({ environment }) => environment) },
    'images became vulnerable',
  );
}
