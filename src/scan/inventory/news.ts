import type { Clock } from '../../kernel/clock.ts';
import type { Digest } from '../../kernel/digest.ts';
import type { Severity } from '../severity.ts';
import { contentOf, imagesWith } from './image-content.ts';
import { chunks, type InventoryDb } from './tables.ts';

/** An advisory that was published after images with what it is about had been looked at. */
export type News = {
  readonly advisory: string;
  /** The worst, over its components. */
  readonly severity: Severity;
  readonly title: string;
  readonly firstSeen: string;
  readonly components: readonly { readonly id: number; readonly purl: string; readonly fixed: readonly string[] }[];
  /** Those of `digests` first, then the newest; at most a hundred. */
  readonly images: readonly {
    readonly repository: string;
    readonly digest: Digest;
    /** The newest image of that name, where it does not have what the advisory is about. */
    readonly newestWithout?: Digest;
  }[];
  readonly imageCount: number;
};

export type NewsOptions = {
  /** Only what was not told yet. */
  readonly untold?: true;
  /** Only what was seen first after this time; RFC 3339. */
  readonly since?: string;
  /** Advisories; newest first. */
  readonly limit: number;
  /** In use somewhere. */
  readonly digests: readonly string[];
  /** Whether the newest image without it is looked for: some questions for each name. */
  readonly better: boolean;
};

const mostImages = 100;
const mostCandidates = 50;
const ranks = { critical: 0, unknown: 1, high: 2, medium: 3, low: 4 } as const;

export async function newlyVulnerable(db: InventoryDb, options: NewsOptions): Promise<readonly News[]> {
  let query = db
    .selectFrom('inventory_finding')
    .select(({ fn }) => ['advisory', fn.max<string>('first_seen').as('first')])
    .where('news', '=', 1)
    .groupBy('advisory')
    .orderBy('first', 'desc')
    .orderBy('advisory')
    .limit(options.limit);
  if (options.untold) query = query.where('told_at', 'is', null);
  if (options.since !== undefined) query = query.where('first_seen', '>=', options.since);
  const news: News[] = [];
  for (const { advisory, first } of await query.execute()) news.push(await newsOf(db, advisory, first, options));
  return news;
}

async function newsOf(
  db: InventoryDb,
  advisory: string,
  firstSeen: string,
  { untold, since, digests, better }: NewsOptions,
): Promise<News> {
  let query = db
    .selectFrom('inventory_finding as finding')
    .innerJoin('inventory_component as component', 'component.id', 'finding.component')
    .select([
      'component.id as id',
      'component.purl as purl',
      'finding.severity as severity',
      'finding.title as title',
      'finding.fixed as fixed',
    ])
    .where('finding.advisory', '=', advisory)
    .where('finding.news', '=', 1)
    .orderBy('component.purl');
  if (untold) query = query.where('finding.told_at', 'is', null);
  if (since !== undefined) query = query.where('finding.first_seen', '>=', since);
  const rows = await query.execute();
  const worst = rows.toSorted((a, b) => ranks[a.severity] - ranks[b.severity])[0];
  const components = rows.map(({ id }) => id);
  const used: number[] = [];
  for (const some of chunks([...new Set(digests)]))
    for (const { id } of await db.selectFrom('inventory_image').select('id').where('digest', 'in', some).execute()) used.push(id);
  const having = await imagesWith(db, components, mostImages);
  const shown = [...new Set([...(await contentOf(db, used, components)).keys(), ...having.newest])].slice(0, mostImages);
  const images =
    shown.length === 0
      ? []
      : await db
          .selectFrom('inventory_image')
          .select(['id', 'repository', 'digest'])
          .where('id', 'in', shown)
          .orderBy('id', 'desc')
          .execute();
  images.sort((a, b) => Number(digests.includes(b.digest)) - Number(digests.includes(a.digest)));
  const without = new Map<string, Digest | undefined>();
  if (better)
    for (const { repository } of images)
      if (!without.has(repository)) without.set(repository, await newestWithout(db, advisory, repository));
  return {
    advisory,
    severity: worst?.severity ?? 'unknown',
    title: worst?.title ?? advisory,
    firstSeen,
    components: rows.map(({ id, purl, fixed }) => ({ id, purl, fixed: JSON.parse(fixed) as string[] })),
    images: images.map(({ repository, digest }) => {
      const newest = without.get(repository);
      return { repository, digest: digest as Digest, ...(newest === undefined ? {} : { newestWithout: newest }) };
    }),
    imageCount: having.count,
  };
}

/** The newest image of a name that has no component of which the advisory speaks, be it news or not. Of the newest fifty; the registry still has it. */
async function newestWithout(db: InventoryDb, advisory: string, repository: string): Promise<Digest | undefined> {
  const candidates = await db
    .selectFrom('inventory_image')
    .select(['id', 'digest'])
    .where('repository', '=', repository)
    .where('collected_at', 'is', null)
    .orderBy('id', 'desc')
    .limit(mostCandidates)
    .execute();
  for (const { id, digest } of candidates) {
    const hit = await db
      .selectFrom('inventory_finding as finding')
      .innerJoin('inventory_content as content', 'content.component', 'finding.component')
      .select('content.image')
      .where('finding.advisory', '=', advisory)
      .where('content.image', '=', id)
      .limit(1)
      .executeTakeFirst();
    if (!hit) return digest as Digest;
  }
  return undefined;
}

/** @returns whether any of it was not told before */
export async function markTold(db: InventoryDb, clock: Clock, { advisory, components }: News): Promise<boolean> {
  const told_at = clock.now().toISOString();
  let marked = false;
  for (const some of chunks(components.map(({ id }) => id))) {
    const { numUpdatedRows } = await db
      .updateTable('inventory_finding')
      .set({ told_at })
      .where('advisory', '=', advisory)
      .where('component', 'in', some)
      .where('told_at', 'is', null)
      .executeTakeFirst();
    marked ||= numUpdatedRows > 0n;
  }
  return marked;
}
