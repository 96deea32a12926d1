import type { Kysely } from 'kysely';
import type { Clock } from '../../kernel/clock.ts';
import type { Digest } from '../../kernel/digest.ts';
import type { RunId } from '../../kernel/ids.ts';
import type { Store } from '../../store/store.ts';
import type { AdvisoryDatabase } from '../advisories/database.ts';
import { changedSince } from './changed-since.ts';
import { findComponents, type FoundComponent, type FoundComponents } from './find-components.ts';
import { forgetImages } from './forget-images.ts';
import { contentOf, imagesWith, waysOf } from './image-content.ts';
import { matchAgain, type MatchedAgain } from './match-again.ts';
import { markTold, newlyVulnerable, type News, type NewsOptions } from './news.ts';
import { chunks, type InventoryDb, type InventoryTables } from './tables.ts';
import type { Wanted } from './wanted.ts';
import { isIndexed, writeImage, type ImageOrigin, type IndexedImage, type WantedImage } from './write-image.ts';

export type InventoryImage = ImageOrigin & {
  readonly repository: string;
  readonly digest: Digest;
  readonly indexedAt: string;
  /** When the registry collected it; it is kept because a release names it. */
  readonly collectedAt?: string;
  readonly components: readonly {
    readonly component: FoundComponent;
    /** `source`: only in the tree that it was built from. */
    readonly foundIn: 'image' | 'source';
    /** How it came in, on one of the shortest ways: from a project or a direct dependency down to it. */
    readonly way: readonly string[];
  }[];
};

export type Found = FoundComponents & {
  /** Those of `digests` that have it, and the newest of all others, newest first. */
  readonly images: readonly InventoryImage[];
  /** All that have it. */
  readonly imageCount: number;
  /** What was looked at. */
  readonly looked: { readonly images: number; readonly components: number };
};

/** What every image that was built or imported here consists of, in tables that are made for the question which images have a component. */
export type Inventory = {
  /** The same image again changes nothing. @throws WaybillError INVALID_INPUT when the text is no SBOM */
  add(image: IndexedImage, sbom: string): Promise<void>;
  /** True also for one that the registry has collected, unless this run or import brought it again. */
  has(image: WantedImage): Promise<boolean>;
  /** Those of the digests of which it is known what they consist of. */
  known(digests: readonly string[]): Promise<ReadonlySet<string>>;
  /** @param digests are shown whatever `limit` says @throws WaybillError INVALID_INPUT */
  find(wanted: Wanted, options: { readonly digests: readonly string[]; readonly limit: number }): Promise<Found>;
  /** The registry has them no longer: those in `kept` stay, marked; what the others had goes. */
  forget(images: readonly { readonly repository: string; readonly digest: string }[], kept: ReadonlySet<string>): Promise<void>;
  matchAgain(database: AdvisoryDatabase, signal: AbortSignal): Promise<MatchedAgain>;
  /** Images with a component about which something else is known since a time (RFC 3339), and since when: the newest change. */
  changedSince(time: string): Promise<ReadonlyMap<string, string>>;
  newlyVulnerable(options: NewsOptions): Promise<readonly News[]>;
  /** In the transaction of whoever tells it. False: somebody else has told it. */
  markTold(news: News, transaction: Kysely<never>): Promise<boolean>;
  /** Every run up to this one has ended and its images are here. */
  progress(): Promise<RunId>;
  setProgress(run: RunId): Promise<void>;
};

/** Ways are shown for this many components of one image. */
const mostWays = 20;

export function openInventory(store: Store, clock: Clock): Inventory {
  const db = store.as<InventoryTables>();
  return {
    add: (image, sbom) => writeImage(db, clock, image, sbom),
    has: (image) => isIndexed(db, image),
    async known(digests) {
      const found = new Set<string>();
      for (const some of chunks([...new Set(digests)]))
        for (const { digest } of await db.selectFrom('inventory_image').select('digest').where('digest', 'in', some).execute())
          found.add(digest);
      return found;
    },
    async find(wanted, { digests, limit }) {
      const found = await findComponents(db, wanted);
      const ids = found.components.map(({ id }) => id);
      const byId = new Map(found.components.map((component) => [component.id, component]));
      const looked = await lookedAt();
      if (ids.length === 0) return { ...found, images: [], imageCount: 0, looked };
      const inUse: number[] = [];
      for (const some of chunks([...new Set(digests)]))
        for (const { id } of await db.selectFrom('inventory_image').select('id').where('digest', 'in', some).execute()) inUse.push(id);
      const used = await contentOf(db, inUse, ids);
      const having = await imagesWith(db, ids, limit);
      const shown = [...new Set([...used.keys(), ...having.newest])];
      const content = await contentOf(db, shown, ids);
      const wantedWays = [...content].flatMap(([image, all]) => all.slice(0, mostWays).map((each) => ({ ...each, image })));
      const ways = await waysOf(db, wantedWays);
      const rows = [];
      for (const some of chunks(shown))
        rows.push(...(await db.selectFrom('inventory_image').selectAll().where('id', 'in', some).execute()));
      const images = rows
        .sort((a, b) => b.id - a.id)
        .map((row): InventoryImage => ({
          repository: row.repository,
          digest: row.digest as Digest,
          ...(row.import === null ? { run: row.run as RunId } : { import: row.import }),
          indexedAt: row.indexed_at,
          ...(row.collected_at === null ? {} : { collectedAt: row.collected_at }),
          components: (content.get(row.id) ?? []).flatMap((each, nth) => {
            const component = byId.get(each.component);
            if (!component) return [];
            return [{ component, foundIn: each.foundIn, way: nth < mostWays ? ways(row.id, each.component) : [component.purl] }];
          }),
        }));
      return { ...found, images, imageCount: having.count, looked };
    },
    forget: (images, kept) => forgetImages(db, clock, images, kept),
    matchAgain: (database, signal) => matchAgain(db, clock, database, signal),
    changedSince: (time) => changedSince(db, time),
    newlyVulnerable: (options) => newlyVulnerable(db, options),
    markTold: (news, transaction) => markTold(transaction as unknown as InventoryDb, clock, news),
    async progress() {
      const row = await db.selectFrom('inventory_progress').select('run').where('id', '=', 1).executeTakeFirst();
      return (row?.run ?? 0) as RunId;
    },
    async setProgress(run) {
      await db
        .insertInto('inventory_progress')
        .values({ id: 1, run })
        .onConflict((conflict) => conflict.column('id').doUpdateSet({ run }))
        .execute();
    },
  };

  async function lookedAt() {
    const row = await db
      .selectFrom('inventory_image')
      .select(({ fn }) => [fn.countAll<number>().as('images'), fn.sum<number | null>('components').as('components')])
      .where('components', '>', 0)
      .executeTakeFirst();
    return { images: Number(row?.images ?? 0), components: Number(row?.components ?? 0) };
  }
}
