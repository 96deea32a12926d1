import type { Clock } from '../kernel/clock.ts';
import type { ContentDigest } from '../oci/content-digest.ts';
import type { WireDescriptor, WireManifest } from '../oci/manifest.ts';
import type { Store } from '../store/store.ts';
import { Batch } from './batch.ts';
import { Memo } from './memo.ts';
import { indexTag, putManifest } from './put-manifest.ts';
import type { RegistryTables } from './tables.ts';

export type StoredManifest = { readonly digest: ContentDigest; readonly mediaType: string; readonly bytes: Buffer };

/** What each repository holds. Positive answers about content are remembered: a digest never means anything else. */
export type Catalog = {
  /** `fresh` asks the database, whatever is remembered. */
  blobSize(repository: string, digest: ContentDigest, options?: { readonly fresh?: boolean }): Promise<number | undefined>;
  addBlob(repository: string, digest: ContentDigest, size: number): Promise<void>;
  manifest(repository: string, digest: ContentDigest): Promise<StoredManifest | undefined>;
  tag(repository: string, tag: string): Promise<ContentDigest | undefined>;
  /** Some repository of these that has the blob, with its size: for a mount that names none. */
  findBlob(repositories: ReadonlySet<string> | 'everything', digest: ContentDigest): Promise<number | undefined>;
  /** See put-manifest.ts. */
  putManifest(repository: string, manifest: WireManifest, bytes: Buffer, tags: readonly string[]): Promise<void>;
  /** Tags in lexical order after `last`; at most `limit`. */
  tags(repository: string, last: string | undefined, limit: number): Promise<string[]>;
  exists(repository: string): Promise<boolean>;
  /** Descriptors of manifests with that subject, in the order of their digests after `last`; at most `limit`. */
  referrers(
    repository: string,
    subject: ContentDigest,
    query: { artifactType?: string; last?: string; limit: number },
  ): Promise<WireDescriptor[]>;
  /** False when there was none. Its tags go with it. */
  deleteManifest(repository: string, digest: ContentDigest): Promise<boolean>;
  deleteTag(repository: string, tag: string): Promise<boolean>;
  /** Takes the blob from the repository; its file stays until it is collected. False when it was not there. */
  deleteBlob(repository: string, digest: ContentDigest): Promise<boolean>;
  /** What has a tag of its own, papers left out. */
  images(): Promise<readonly { readonly repository: string; readonly digest: string; readonly addedAt: string }[]>;
  /** Removes a manifest and its tags, unless it was put again since it was read. */
  removeUnchanged(manifest: { readonly repository: string; readonly digest: string; readonly addedAt: string }): Promise<boolean>;
  /** Takes a blob from a repository unless it was pushed again, or a manifest that came since names it, or `held` says so. */
  removeUnneeded(
    row: { readonly repository: string; readonly digest: string; readonly added_at: string },
    held: () => boolean,
  ): Promise<boolean>;
};

type BlobRow = { readonly repository: string; readonly digest: string; readonly size: number; readonly added_at: string };

export function openCatalog(store: Store, clock: Clock, options: { mutableTags: boolean; deletion: boolean }): Catalog {
  const db = store.as<RegistryTables>();
  const blobs = new Memo<number>(50_000);
  const manifests = new Memo<StoredManifest>(64 * 1024 * 1024);
  const tags = new Memo<ContentDigest>(options.mutableTags || options.deletion ? 0 : 50_000);
  const keyOf = (repository: string, name: string) => `${repository}@${name}`;
  const adding = new Batch<BlobRow>(async (rows) => {
    const once = [...new Map(rows.map((row) => [keyOf(row.repository, row.digest), row])).values()];
    await store.commitAside<RegistryTables>(async (trx) => {
      await trx
        .insertInto('registry_blob')
        .values(once)
        .onConflict((c) => c.columns(['repository', 'digest']).doUpdateSet((e) => ({ added_at: e.ref('excluded.added_at') })))
        .execute();
    });
  }, 200);

  async function blobSize(repository: string, digest: ContentDigest, { fresh = false } = {}): Promise<number | undefined> {
    const known = blobs.get(keyOf(repository, digest));
    if (known !== undefined && !fresh) return known;
    const row = await db
      .selectFrom('registry_blob')
      .select('size')
      .where('repository', '=', repository)
      .where('digest', '=', digest)
      .executeTakeFirst();
    if (!row) return undefined;
    const size = Number(row.size);
    blobs.set(keyOf(repository, digest), size);
    return size;
  }

  async function manifest(repository: string, digest: ContentDigest): Promise<StoredManifest | undefined> {
    const known = manifests.get(keyOf(repository, digest));
    if (known) return known;
    const row = await db
      .selectFrom('registry_manifest')
      .select(['media_type', 'content'])
      .where('repository', '=', repository)
      .where('digest', '=', digest)
      .executeTakeFirst();
    if (!row) return undefined;
    const found = { digest, mediaType: row.media_type, bytes: Buffer.from(row.content) };
    manifests.set(keyOf(repository, digest), found, found.bytes.length + 500);
    return found;
  }

  return {
    blobSize,
    manifest,
    async addBlob(repository, digest, size) {
      await adding.add({ repository, digest, size, added_at: clock.now().toISOString() });
      blobs.set(keyOf(repository, digest), size);
    },
    async tag(repository, tag) {
      const known = tags.get(keyOf(repository, tag));
      if (known) return known;
      const row = await db
        .selectFrom('registry_tag')
        .select('digest')
        .where('repository', '=', repository)
        .where('tag', '=', tag)
        .executeTakeFirst();
      if (row && !indexTag.test(tag)) tags.set(keyOf(repository, tag), row.digest as ContentDigest);
      return row?.digest as ContentDigest | undefined;
    },
    async putManifest(repository, parsed, bytes, names) {
      const { mutableTags } = options;
      await putManifest(db, repository, parsed, bytes, { tags: names, mutableTags, now: clock.now().toISOString() });
    },
    async tags(repository, last, limit) {
      let query = db.selectFrom('registry_tag').select('tag').where('repository', '=', repository).orderBy('tag').limit(limit);
      if (last !== undefined) query = query.where('tag', '>', last);
      return (await query.execute()).map((row) => row.tag);
    },
    async exists(repository) {
      const found =
        (await db.selectFrom('registry_manifest').select('digest').where('repository', '=', repository).limit(1).executeTakeFirst()) ??
        (await db.selectFrom('registry_blob').select('digest').where('repository', '=', repository).limit(1).executeTakeFirst());
      return found !== undefined;
    },
    async referrers(repository, subject, { artifactType, last, limit }) {
      let query = db
        .selectFrom('registry_manifest')
        .select(['digest', 'media_type', 'size', 'artifact_type', 'annotations'])
        .where('repository', '=', repository)
        .where('subject', '=', subject)
        .orderBy('digest')
        .limit(limit);
      if (artifactType !== undefined) query = query.where('artifact_type', '=', artifactType);
      if (last !== undefined) query = query.where('digest', '>', last);
      return (await query.execute()).map((row) => ({
        mediaType: row.media_type,
        digest: row.digest as ContentDigest,
        size: row.size,
        ...(row.artifact_type === null ? {} : { artifactType: row.artifact_type }),
        ...(row.annotations === null ? {} : { annotations: JSON.parse(row.annotations) as Record<string, string> }),
      }));
    },
    async deleteManifest(repository, digest) {
      manifests.delete(keyOf(repository, digest));
      return await db.transaction().execute(async (trx) => {
        await trx.deleteFrom('registry_tag').where('repository', '=', repository).where('digest', '=', digest).execute();
        const { numDeletedRows } = await trx
          .deleteFrom('registry_manifest')
          .where('repository', '=', repository)
          .where('digest', '=', digest)
          .executeTakeFirst();
        return numDeletedRows > 0n;
      });
    },
    async deleteTag(repository, tag) {
      const { numDeletedRows } = await db
        .deleteFrom('registry_tag')
        .where('repository', '=', repository)
        .where('tag', '=', tag)
        .executeTakeFirst();
      return numDeletedRows > 0n;
    },
    async deleteBlob(repository, digest) {
      blobs.delete(keyOf(repository, digest));
      const { numDeletedRows } = await db
        .deleteFrom('registry_blob')
        .where('repository', '=', repository)
        .where('digest', '=', digest)
        .executeTakeFirst();
      return numDeletedRows > 0n;
    },
    async findBlob(repositories, digest) {
      let query = db.selectFrom('registry_blob').select('size').where('digest', '=', digest).limit(1);
      if (repositories !== 'everything') query = query.where('repository', 'in', [...repositories]);
      const row = await query.executeTakeFirst();
      return row && Number(row.size);
    },
    async images() {
      const rows = await db
        .selectFrom('registry_tag')
        .innerJoin('registry_manifest', (join) =>
          join
            .onRef('registry_manifest.repository', '=', 'registry_tag.repository')
            .onRef('registry_manifest.digest', '=', 'registry_tag.digest'),
        )
        .select(['registry_manifest.repository', 'registry_manifest.digest', 'registry_manifest.added_at'])
        .distinct()
        .where('registry_manifest.subject', 'is', null)
        .where('registry_tag.tag', 'not like', 'sha256-%')
        .execute();
      return rows.map((row) => ({ repository: row.repository, digest: row.digest, addedAt: row.added_at }));
    },
    async removeUnchanged({ repository, digest, addedAt }) {
      const removed = await db.transaction().execute(async (trx) => {
        const { numDeletedRows } = await trx
          .deleteFrom('registry_manifest')
          .where('repository', '=', repository)
          .where('digest', '=', digest)
          .where('added_at', '=', addedAt)
          .executeTakeFirst();
        if (numDeletedRows === 0n) return false;
        await trx.deleteFrom('registry_tag').where('repository', '=', repository).where('digest', '=', digest).execute();
        return true;
      });
      manifests.delete(keyOf(repository, digest));
      if (removed) tags.clear();
      return removed;
    },
    async removeUnneeded({ repository, digest, added_at }, held) {
      return await db.transaction().execute(async (trx) => {
        // The digest's text stands in every manifest that names it.
        const naming = await trx
          .selectFrom('registry_manifest')
          .select('digest')
          .where('repository', '=', repository)
          .where('content', 'like', `%${digest}%`)
          .limit(1)
          .executeTakeFirst();
        // Asked last: whoever takes a lease from here on looks into the database, behind this transaction.
        if (naming || held()) return false;
        blobs.delete(keyOf(repository, digest));
        const { numDeletedRows } = await trx
          .deleteFrom('registry_blob')
          .where('repository', '=', repository)
          .where('digest', '=', digest)
          .where('added_at', '=', added_at)
          .executeTakeFirst();
        return numDeletedRows > 0n;
      });
    },
  };
}
