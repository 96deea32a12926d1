import type { Kysely, Transaction } from 'kysely';
import type { ContentDigest } from '../oci/content-digest.ts';
import { annotationsOf, artifactTypeOf, childrenOf, subjectOf, type WireDescriptor, type WireManifest } from '../oci/manifest.ts';
import { ProtocolError } from './protocol-error.ts';
import type { RegistryTables } from './tables.ts';

/**
 * Tags that are an index about one digest (referrers fallback, cosign's `.sig` and `.att`): they grow as papers are added, and so are
 * never immutable. They name no image that anything runs.
 */
export const indexTag = /^sha256-[0-9a-f]{64}(?:\.(?:sig|att|sbom))?$/;

/** Layers that are never pushed: their descriptor names where they are fetched from (image-spec layer.md "Non-Distributable Layers"). */
export const foreignLayer = /^application\/vnd\.(?:oci\.image\.layer\.nondistributable\.|docker\.image\.rootfs\.foreign\.)/;

/**
 * Keeps a manifest whose children are all there, and its tags, in one transaction: a collection that runs beside it sees both or none.
 * @throws ProtocolError MANIFEST_BLOB_UNKNOWN, MANIFEST_INVALID, TAG_INVALID (409) when a tag is another digest's
 */
export async function putManifest(
  db: Kysely<RegistryTables>,
  repository: string,
  manifest: WireManifest,
  bytes: Buffer,
  options: { readonly tags: readonly string[]; readonly mutableTags: boolean; readonly now: string },
): Promise<void> {
  const { tags, mutableTags, now } = options;
  const annotations = annotationsOf(manifest);
  await db.transaction().execute(async (trx) => {
    await checkChildren(trx, repository, manifest);
    await trx
      .insertInto('registry_manifest')
      .values({
        repository,
        digest: manifest.digest,
        media_type: manifest.mediaType,
        content: bytes.toString('utf8'),
        size: bytes.length,
        subject: subjectOf(manifest)?.digest ?? null,
        artifact_type: artifactTypeOf(manifest) ?? null,
        annotations: annotations ? JSON.stringify(annotations) : null,
        added_at: now,
      })
      // Put again: a collection that has read the earlier time leaves it alone.
      .onConflict((c) => c.columns(['repository', 'digest']).doUpdateSet({ added_at: now }))
      .execute();
    for (const tag of tags) await setTag(trx, repository, tag, manifest.digest, { mutable: mutableTags || indexTag.test(tag), now });
  });
}

async function setTag(
  trx: Transaction<RegistryTables>,
  repository: string,
  tag: string,
  digest: ContentDigest,
  { mutable, now }: { mutable: boolean; now: string },
): Promise<void> {
  const present = await trx
    .selectFrom('registry_tag')
    .select('digest')
    .where('repository', '=', repository)
    .where('tag', '=', tag)
    .executeTakeFirst();
  if (!present) await trx.insertInto('registry_tag').values({ repository, tag, digest, set_at: now }).execute();
  else if (present.digest === digest) return;
  else if (mutable)
    await trx
      .updateTable('registry_tag')
      .set({ digest, set_at: now })
      .where('repository', '=', repository)
      .where('tag', '=', tag)
      .execute();
  else
    throw new ProtocolError('TAG_INVALID', `The tag ${tag} is ${present.digest} and stays so: tags are immutable here. Use another tag`, {
      status: 409,
      detail: { tag, digest: present.digest },
    });
}

/** Every child must be in this very repository, with the size that the manifest says. */
async function checkChildren(trx: Transaction<RegistryTables>, repository: string, parent: WireManifest): Promise<void> {
  const children = childrenOf(parent).filter((child) => !foreignLayer.test(child.mediaType));
  const sizes = await sizesOf(trx, repository, parent.kind === 'index' ? 'registry_manifest' : 'registry_blob', children);
  const missing: string[] = [];
  for (const child of children) {
    const size = sizes.get(child.digest);
    if (size === undefined) missing.push(child.digest);
    else if (size !== child.size)
      throw new ProtocolError('MANIFEST_INVALID', `${child.digest} has ${size} bytes, the manifest says ${child.size}`);
  }
  if (missing.length > 0)
    throw new ProtocolError(
      'MANIFEST_BLOB_UNKNOWN',
      `The manifest names content that this repository does not have: ${missing.slice(0, 5).join(', ')}`,
      { detail: { digests: missing.slice(0, 100) } },
    );
}

/** Databases limit the number of parameters of a statement. */
const atOnce = 500;

async function sizesOf(
  trx: Transaction<RegistryTables>,
  repository: string,
  table: 'registry_manifest' | 'registry_blob',
  children: readonly WireDescriptor[],
): Promise<ReadonlyMap<string, number>> {
  const wanted = [...new Set(children.map((child) => child.digest as string))];
  const found = new Map<string, number>();
  for (let from = 0; from < wanted.length; from += atOnce) {
    const rows = await trx
      .selectFrom(table)
      .select(['digest', 'size'])
      .where('repository', '=', repository)
      .where('digest', 'in', wanted.slice(from, from + atOnce))
      .execute();
    for (const row of rows) found.set(row.digest, Number(row.size));
  }
  return found;
}
