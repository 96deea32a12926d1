import type { Kysely } from 'kysely';
import type { Clock } from '../../kernel/clock.ts';
import { algorithmOf, type ContentDigest } from '../../oci/content-digest.ts';
import { childrenOf, parseWireManifest } from '../../oci/manifest.ts';
import type { StoredManifest } from '../catalog.ts';
import type { MirrorTables } from './tables.ts';

/** What is in the cache, by the server that it is from. Files are not looked at here. */
export type Shelf = {
  manifest(server: string, repository: string, digest: ContentDigest): Promise<StoredManifest | undefined>;
  /** With a tag when it was fetched by one: both or none. */
  putManifest(server: string, repository: string, manifest: StoredManifest, tag?: string): Promise<void>;
  tag(server: string, repository: string, tag: string): Promise<{ readonly digest: ContentDigest; readonly checkedAt: string } | undefined>;
  setTag(server: string, repository: string, tag: string, digest: ContentDigest): Promise<void>;
  dropTag(server: string, repository: string, tag: string): Promise<void>;
  tags(server: string, repository: string): Promise<string[]>;
  /** Bytes. */
  blob(server: string, digest: ContentDigest): Promise<number | undefined>;
  putBlob(server: string, digest: ContentDigest, size: number): Promise<void>;
  dropBlob(server: string, digest: string): Promise<void>;
  dropManifest(server: string, repository: string, digest: string): Promise<void>;
  /** Whether any server's row names the file. */
  named(digest: string): Promise<boolean>;
  /** These were used just now. */
  touchBlobs(server: string, digests: readonly string[]): Promise<void>;
  bytes(server: string): Promise<number>;
  /** Blobs and manifests, the least recently used first; at most `limit`. */
  oldest(server: string, limit: number): Promise<readonly Item[]>;
  allBlobs(): Promise<readonly { readonly server: string; readonly digest: string; readonly size: number }[]>;
  servers(): Promise<readonly { readonly server: string; readonly blobs: number; readonly manifests: number; readonly bytes: number }[]>;
  contents(server: string, limit: number): Promise<readonly CachedImage[]>;
};

export type Item = { readonly digest: string; readonly size: number; readonly usedAt: string; readonly repository?: string };

export type CachedImage = {
  readonly repository: string;
  readonly digest: string;
  readonly tags: readonly { readonly tag: string; readonly checkedAt: string }[];
  readonly fetchedAt: string;
  readonly usedAt: string;
};

/** Use is written down no finer than this, so that a hot blob is not a write for each of its readers. */
const graininessMs = 60_000;
const atOnce = 500;

export function openShelf(db: Kysely<MirrorTables>, clock: Clock): Shelf {
  const now = () => clock.now().toISOString();
  const stale = (usedAt: string) => clock.now().getTime() - Date.parse(usedAt) >= graininessMs;

  async function setTag(
    trx: Kysely<MirrorTables>,
    row: { server: string; repository: string; tag: string; digest: string },
  ): Promise<void> {
    const checked_at = now();
    await trx
      .insertInto('mirror_tag')
      .values({ ...row, checked_at })
      .onConflict((c) => c.columns(['server', 'repository', 'tag']).doUpdateSet({ digest: row.digest, checked_at }))
      .execute();
  }

  return {
    async manifest(server, repository, digest) {
      const row = await db
        .selectFrom('mirror_manifest')
        .select(['media_type', 'content', 'used_at'])
        .where('server', '=', server)
        .where('repository', '=', repository)
        .where('digest', '=', digest)
        .executeTakeFirst();
      if (!row) return undefined;
      const bytes = Buffer.from(row.content);
      if (stale(row.used_at)) {
        await db
          .updateTable('mirror_manifest')
          .set({ used_at: now() })
          .where('server', '=', server)
          .where('repository', '=', repository)
          .where('digest', '=', digest)
          .execute();
        // An image is used as a whole, although clients that have its layers do not ask for them.
        const parsed = parseWireManifest(bytes, row.media_type, algorithmOf(digest));
        if (parsed.kind === 'image')
          await this.touchBlobs(
            server,
            childrenOf(parsed).map((child) => child.digest),
          );
      }
      return { digest, mediaType: row.media_type, bytes };
    },
    async putManifest(server, repository, { digest, mediaType, bytes }, tag) {
      await db.transaction().execute(async (trx) => {
        await trx
          .insertInto('mirror_manifest')
          .values({
            server,
            repository,
            digest,
            media_type: mediaType,
            content: bytes.toString('utf8'),
            size: bytes.length,
            fetched_at: now(),
            used_at: now(),
          })
          .onConflict((c) => c.columns(['server', 'repository', 'digest']).doUpdateSet({ used_at: now() }))
          .execute();
        if (tag !== undefined) await setTag(trx, { server, repository, tag, digest });
      });
    },
    async tag(server, repository, tag) {
      const row = await db
        .selectFrom('mirror_tag')
        .select(['digest', 'checked_at'])
        .where('server', '=', server)
        .where('repository', '=', repository)
        .where('tag', '=', tag)
        .executeTakeFirst();
      return row && { digest: row.digest as ContentDigest, checkedAt: row.checked_at };
    },
    setTag: (server, repository, tag, digest) => setTag(db, { server, repository, tag, digest }),
    async dropTag(server, repository, tag) {
      await db.deleteFrom('mirror_tag').where('server', '=', server).where('repository', '=', repository).where('tag', '=', tag).execute();
    },
    async tags(server, repository) {
      const rows = await db
        .selectFrom('mirror_tag')
        .select('tag')
        .where('server', '=', server)
        .where('repository', '=', repository)
        .orderBy('tag')
        .limit(10_000)
        .execute();
      return rows.map((row) => row.tag);
    },
    async blob(server, digest) {
      const row = await db
        .selectFrom('mirror_blob')
        .select(['size', 'used_at'])
        .where('server', '=', server)
        .where('digest', '=', digest)
        .executeTakeFirst();
      if (row && stale(row.used_at)) await this.touchBlobs(server, [digest]);
      return row && Number(row.size);
    },
    async putBlob(server, digest, size) {
      await db
        .insertInto('mirror_blob')
        .values({ server, digest, size, fetched_at: now(), used_at: now() })
        .onConflict((c) => c.columns(['server', 'digest']).doUpdateSet({ size, fetched_at: now(), used_at: now() }))
        .execute();
    },
    async dropBlob(server, digest) {
      await db.deleteFrom('mirror_blob').where('server', '=', server).where('digest', '=', digest).execute();
    },
    async dropManifest(server, repository, digest) {
      await db.transaction().execute(async (trx) => {
        for (const table of ['mirror_tag', 'mirror_manifest'] as const)
          await trx
            .deleteFrom(table)
            .where('server', '=', server)
            .where('repository', '=', repository)
            .where('digest', '=', digest)
            .execute();
      });
    },
    async named(digest) {
      return (await db.selectFrom('mirror_blob').select('digest').where('digest', '=', digest).limit(1).executeTakeFirst()) !== undefined;
    },
    async touchBlobs(server, digests) {
      for (let from = 0; from < digests.length; from += atOnce)
        await db
          .updateTable('mirror_blob')
          .set({ used_at: now() })
          .where('server', '=', server)
          .where('digest', 'in', digests.slice(from, from + atOnce))
          .execute();
    },
    async bytes(server) {
      let sum = 0;
      for (const table of ['mirror_blob', 'mirror_manifest'] as const) {
        const row = await db
          .selectFrom(table)
          .select((e) => e.fn.sum<number | null>('size').as('bytes'))
          .where('server', '=', server)
          .executeTakeFirst();
        sum += Number(row?.bytes ?? 0);
      }
      return sum;
    },
    async oldest(server, limit) {
      const blobs = await db
        .selectFrom('mirror_blob')
        .select(['digest', 'size', 'used_at'])
        .where('server', '=', server)
        .orderBy('used_at')
        .limit(limit)
        .execute();
      const manifests = await db
        .selectFrom('mirror_manifest')
        .select(['repository', 'digest', 'size', 'used_at'])
        .where('server', '=', server)
        .orderBy('used_at')
        .limit(limit)
        .execute();
      const item = (row: { digest: string; size: number; used_at: string }): Item => ({
        digest: row.digest,
        size: Number(row.size),
        usedAt: row.used_at,
      });
      return [...blobs.map(item), ...manifests.map((row) => ({ ...item(row), repository: row.repository }))]
        .sort((a, b) => (a.usedAt < b.usedAt ? -1 : a.usedAt > b.usedAt ? 1 : 0))
        .slice(0, limit);
    },
    async allBlobs() {
      const rows = await db.selectFrom('mirror_blob').select(['server', 'digest', 'size']).orderBy('server').orderBy('digest').execute();
      return rows.map((row) => ({ ...row, size: Number(row.size) }));
    },
    async servers() {
      const all = new Map<string, { server: string; blobs: number; manifests: number; bytes: number }>();
      for (const [table, field] of [
        ['mirror_blob', 'blobs'],
        ['mirror_manifest', 'manifests'],
      ] as const) {
        const rows = await db
          .selectFrom(table)
          .select((e) => ['server', e.fn.countAll<number>().as('count'), e.fn.sum<number>('size').as('bytes')])
          .groupBy('server')
          .execute();
        for (const row of rows) {
          const entry = all.get(row.server) ?? { server: row.server, blobs: 0, manifests: 0, bytes: 0 };
          all.set(row.server, { ...entry, [field]: Number(row.count), bytes: entry.bytes + Number(row.bytes) });
        }
      }
      return [...all.values()];
    },
    async contents(server, limit) {
      const tags = Map.groupBy(
        await db.selectFrom('mirror_tag').selectAll().where('server', '=', server).orderBy('tag').limit(100_000).execute(),
        (row) => `${row.repository}@${row.digest}`,
      );
      const rows = await db
        .selectFrom('mirror_manifest')
        .select(['repository', 'digest', 'fetched_at', 'used_at'])
        .where('server', '=', server)
        .orderBy('used_at', 'desc')
        .limit(limit)
        .execute();
      return rows.map((row) => ({
        repository: row.repository,
        digest: row.digest,
        tags: (tags.get(`${row.repository}@${row.digest}`) ?? []).map(({ tag, checked_at }) => ({ tag, checkedAt: checked_at })),
        fetchedAt: row.fetched_at,
        usedAt: row.used_at,
      }));
    },
  };
}
