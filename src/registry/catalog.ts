import type { Clock } from '../kernel/clock.ts';
import type { Digest } from '../kernel/digest.ts';
import { annotationsOf, artifactTypeOf, childrenOf, subjectOf, type Descriptor, type Manifest } from '../oci/manifest.ts';
import type { Store } from '../store/store.ts';
import { Memo } from './memo.ts';
import { ProtocolError } from './protocol-error.ts';
import type { RegistryTables } from './tables.ts';

export type StoredManifest = { readonly digest: Digest; readonly mediaType: string; readonly bytes: Buffer };

/** What each repository holds. Positive answers about content are remembered: a digest never means anything else. */
export type Catalog = {
  blobSize(repository: string, digest: Digest): Promise<number | undefined>;
  addBlob(repository: string, digest: Digest, size: number): Promise<void>;
  manifest(repository: string, digest: Digest): Promise<StoredManifest | undefined>;
  tag(repository: string, tag: string): Promise<Digest | undefined>;
  /**
   * Keeps a manifest whose children are all there, and the tag with it, in one transaction.
   * @throws ProtocolError MANIFEST_BLOB_UNKNOWN, MANIFEST_INVALID, TAG_INVALID (409) when the tag is another digest's
   */
  putManifest(repository: string, manifest: Manifest, bytes: Buffer, tag: string | undefined): Promise<void>;
  /** Tags in lexical order after `last`; at most `limit`. */
  tags(repository: string, last: string | undefined, limit: number): Promise<string[]>;
  exists(repository: string): Promise<boolean>;
  /** Descriptors of manifests with that subject, in the order of their digests after `last`; at most `limit`. */
  referrers(repository: string, subject: Digest, query: { artifactType?: string; last?: string; limit: number }): Promise<Descriptor[]>;
  /** False when there was none. Its tags go with it. */
  deleteManifest(repository: string, digest: Digest): Promise<boolean>;
  deleteTag(repository: string, tag: string): Promise<boolean>;
};

/**
 * Tags that are an index about one digest (referrers fallback, cosign's `.sig` and `.att`): they grow as papers are added, and so are
 * never immutable. They name no image that anything runs.
 */
const indexTag = /^sha256-[0-9a-f]{64}(?:\.(?:sig|att|sbom))?$/;

export function openCatalog(store: Store, clock: Clock, options: { mutableTags: boolean; deletion: boolean }): Catalog {
  const db = store.as<RegistryTables>();
  const blobs = new Memo<number>(50_000);
  const manifests = new Memo<StoredManifest>(64 * 1024 * 1024);
  const tags = new Memo<Digest>(options.mutableTags || options.deletion ? 0 : 50_000);
  const keyOf = (repository: string, name: string) => `${repository}@${name}`;

  async function blobSize(repository: string, digest: Digest): Promise<number | undefined> {
    const known = blobs.get(keyOf(repository, digest));
    if (known !== undefined) return known;
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

  async function manifest(repository: string, digest: Digest): Promise<StoredManifest | undefined> {
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

  /** Every child must be in this very repository, with the size that the manifest says. */
  async function checkChildren(repository: string, parent: Manifest): Promise<void> {
    const missing: Digest[] = [];
    for (const child of childrenOf(parent)) {
      const size =
        parent.kind === 'index' ? (await manifest(repository, child.digest))?.bytes.length : await blobSize(repository, child.digest);
      if (size === undefined) missing.push(child.digest);
      else if (size !== child.size)
        throw new ProtocolError('MANIFEST_INVALID', `${child.digest} has ${size} bytes, the manifest says ${child.size}`);
    }
    if (missing.length > 0)
      throw new ProtocolError(
        'MANIFEST_BLOB_UNKNOWN',
        `The manifest names content that this repository does not have: ${missing.slice(0, 5).join(', ')}`,
        {
          detail: { digests: missing.slice(0, 100) },
        },
      );
  }

  return {
    blobSize,
    manifest,
    async addBlob(repository, digest, size) {
      await db
        .insertInto('registry_blob')
        .values({ repository, digest, size, added_at: clock.now().toISOString() })
        .onConflict((c) => c.columns(['repository', 'digest']).doNothing())
        .execute();
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
      if (row && !indexTag.test(tag)) tags.set(keyOf(repository, tag), row.digest as Digest);
      return row?.digest as Digest | undefined;
    },
    async putManifest(repository, parsed, bytes, tag) {
      await checkChildren(repository, parsed);
      const now = clock.now().toISOString();
      const annotations = annotationsOf(parsed);
      await db.transaction().execute(async (trx) => {
        await trx
          .insertInto('registry_manifest')
          .values({
            repository,
            digest: parsed.digest,
            media_type: parsed.mediaType,
            content: bytes.toString('utf8'),
            size: bytes.length,
            subject: subjectOf(parsed)?.digest ?? null,
            artifact_type: artifactTypeOf(parsed) ?? null,
            annotations: annotations ? JSON.stringify(annotations) : null,
            added_at: now,
          })
          .onConflict((c) => c.columns(['repository', 'digest']).doNothing())
          .execute();
        if (tag === undefined) return;
        await trx
          .insertInto('registry_tag')
          .values({ repository, tag, digest: parsed.digest, set_at: now })
          .onConflict((c) => c.columns(['repository', 'tag']).doNothing())
          .execute();
        const { digest } = await trx
          .selectFrom('registry_tag')
          .select('digest')
          .where('repository', '=', repository)
          .where('tag', '=', tag)
          .executeTakeFirstOrThrow();
        if (digest === parsed.digest) return;
        if (!options.mutableTags && !indexTag.test(tag))
          throw new ProtocolError('TAG_INVALID', `The tag ${tag} is ${digest} and stays so: tags are immutable here. Use another tag`, {
            status: 409,
            detail: { tag, digest },
          });
        await trx
          .updateTable('registry_tag')
          .set({ digest: parsed.digest, set_at: now })
          .where('repository', '=', repository)
          .where('tag', '=', tag)
          .execute();
      });
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
        digest: row.digest as Digest,
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
  };
}
