import type { Kysely } from 'kysely';
import { z } from 'zod';
import { WaybillError } from '../kernel/error.ts';
import { lookAnnotation } from '../oci/look-annotation.ts';
import { childrenOf, parseWireManifest } from '../oci/manifest.ts';
import { algorithmOf, isContentDigest } from '../oci/content-digest.ts';
import type { RegistryTables } from './tables.ts';

/** A manifest as the rows have it, with what it names. `children` is undefined when the content is not what was put. */
export type ManifestNode = {
  readonly repository: string;
  readonly digest: string;
  /** Bytes of the manifest itself. */
  readonly size: number;
  readonly addedAt: string;
  readonly subject: string | undefined;
  /** Of a later look at its subject: when it was recorded. */
  readonly look: string | undefined;
  readonly tags: readonly string[];
  readonly children: readonly { readonly digest: string; readonly size: number; readonly mediaType: string }[] | undefined;
  readonly kind: 'image' | 'index' | 'unreadable';
};

export type Contents = {
  readonly manifests: readonly ManifestNode[];
  readonly danglingTags: readonly { repository: string; tag: string; digest: string }[];
};

const page = 500;

/** Every manifest and tag of the registry, or of one repository. */
export async function readContents(db: Kysely<RegistryTables>, repository?: string): Promise<Contents> {
  let tagQuery = db.selectFrom('registry_tag').select(['repository', 'tag', 'digest']);
  if (repository !== undefined) tagQuery = tagQuery.where('repository', '=', repository);
  const tags = Map.groupBy(await tagQuery.orderBy('repository').orderBy('tag').execute(), (row) => keyOf(row));
  const manifests: ManifestNode[] = [];
  let last = { repository: '', digest: '' };
  for (;;) {
    const { repository: after, digest } = last;
    let query = db
      .selectFrom('registry_manifest')
      .select(['repository', 'digest', 'media_type', 'content', 'size', 'subject', 'added_at'])
      .where((e) => e.or([e('repository', '>', after), e.and([e('repository', '=', after), e('digest', '>', digest)])]))
      .orderBy('repository')
      .orderBy('digest')
      .limit(page);
    if (repository !== undefined) query = query.where('repository', '=', repository);
    const rows = await query.execute();
    for (const row of rows) {
      const found = tags.get(keyOf(row)) ?? [];
      tags.delete(keyOf(row));
      manifests.push({
        repository: row.repository,
        digest: row.digest,
        size: row.size,
        addedAt: row.added_at,
        subject: row.subject ?? undefined,
        tags: found.map((tag) => tag.tag),
        ...readChildren(row),
      });
    }
    const end = rows.at(-1);
    if (!end || rows.length < page) break;
    last = end;
  }
  return { manifests, danglingTags: [...tags.values()].flat() };
}

export const keyOf = ({ repository, digest }: { readonly repository: string; readonly digest: string }): string =>
  `${repository}@${digest}`;

function readChildren(row: { digest: string; media_type: string; content: string }): Pick<ManifestNode, 'children' | 'kind' | 'look'> {
  try {
    if (!isContentDigest(row.digest)) return { children: undefined, kind: 'unreadable', look: undefined };
    const manifest = parseWireManifest(Buffer.from(row.content), row.media_type, algorithmOf(row.digest));
    if (manifest.digest !== row.digest) return { children: undefined, kind: 'unreadable', look: undefined };
    const children = childrenOf(manifest).map(({ digest, size, mediaType }) => ({ digest, size, mediaType }));
    return { children, kind: manifest.kind, look: lookOf(row.content) };
  } catch (error) {
    if (error instanceof WaybillError) return { children: undefined, kind: 'unreadable', look: undefined };
    throw error;
  }
}

const annotated = z.object({ subject: z.object({}), annotations: z.object({ [lookAnnotation]: z.iso.datetime() }) });

/** Only a paper has one: nothing else is taken away for its annotations. */
function lookOf(content: string): string | undefined {
  if (!content.includes(lookAnnotation)) return undefined;
  return annotated.safeParse(JSON.parse(content)).data?.annotations[lookAnnotation];
}
