import { createHash } from 'node:crypto';
import type { Kysely } from 'kysely';
import { algorithmOf, finishDigest, isContentDigest, type ContentDigest } from '../oci/content-digest.ts';
import type { BlobStore } from './blob-store.ts';
import { keyOf, readContents, type ManifestNode } from './contents.ts';
import { foreignLayer } from './put-manifest.ts';
import type { RegistryTables } from './tables.ts';

/** One thing that is wrong. `hits` are the images that cannot be pulled because of it, as `repository:tag` or `repository@digest`. */
export type Damage = {
  readonly kind: 'blob-missing' | 'blob-size' | 'blob-digest' | 'manifest-damaged' | 'child-missing' | 'tag-dangling';
  readonly digest: string;
  readonly message: string;
  readonly hits: readonly string[];
  /** Where a damaged file was moved to. */
  readonly quarantined?: string;
};

export type CheckReport = {
  readonly damages: readonly Damage[];
  readonly manifests: number;
  readonly blobs: number;
  /** Bytes that were read and hashed; 0 unless deep. */
  readonly hashed: number;
  /** Files that no row names: harmless, the next collection takes them. */
  readonly strays: number;
};

export type CheckOptions = {
  /** Reads every blob and hashes it. */
  readonly deep: boolean;
  /** Moves damaged files out of sight, so that they are not served; pushing the same content again heals it. */
  readonly quarantine: boolean;
  readonly signal: AbortSignal;
  onProgress?(done: { readonly blobs: number; readonly of: number; readonly bytes: number }): void;
};

/** Looks at everything that the registry has, in rows and on disk. Pushes may go on meanwhile. */
export async function checkRegistry(
  parts: { readonly db: Kysely<RegistryTables>; readonly blobs: BlobStore },
  options: CheckOptions,
): Promise<CheckReport> {
  const { db, blobs } = parts;
  const { manifests, danglingTags } = await readContents(db);
  const rows = await db.selectFrom('registry_blob').select(['repository', 'digest', 'size']).orderBy('digest').execute();
  const byDigest = Map.groupBy(rows, (row) => row.digest);
  const known = new Set([...rows.map(keyOf), ...manifests.map(keyOf)]);
  const users = Map.groupBy(
    manifests.flatMap((node) =>
      (node.children ?? []).map((child) => ({ key: keyOf({ repository: node.repository, digest: child.digest }), node })),
    ),
    (each) => each.key,
  );
  const hitsOf = (digest: string, repositories: Iterable<string>) =>
    [
      ...new Set(
        [...repositories].flatMap((repository) => (users.get(keyOf({ repository, digest })) ?? []).map(({ node }) => nameOf(node))),
      ),
    ].sort();

  const damages: Damage[] = [
    ...danglingTags.map(({ repository, tag, digest }): Damage => ({
      kind: 'tag-dangling',
      digest,
      message: `the tag ${repository}:${tag} names a manifest that is not there`,
      hits: [`${repository}:${tag}`],
    })),
    ...manifests.flatMap((node) => manifestDamages(node, known)),
  ];
  let hashed = 0;
  let done = 0;
  for (const [text, entries] of byDigest) {
    options.signal.throwIfAborted();
    const expected = Number(entries[0]?.size);
    if (!isContentDigest(text)) continue;
    const found = await inspect(blobs, text, expected, options);
    hashed += found.hashed;
    done += 1;
    options.onProgress?.({ blobs: done, of: byDigest.size, bytes: hashed });
    if (!found.damage) continue;
    const hits = hitsOf(
      text,
      entries.map((entry) => entry.repository),
    );
    const quarantined = options.quarantine && found.damage.kind !== 'blob-missing' ? await blobs.quarantine(text) : undefined;
    damages.push({ ...found.damage, digest: text, hits, ...(quarantined === undefined ? {} : { quarantined }) });
  }
  let strays = 0;
  for await (const file of blobs.files()) if (!byDigest.has(file.digest)) strays += 1;
  return { damages, manifests: manifests.length, blobs: byDigest.size, hashed, strays };
}

function manifestDamages(node: ManifestNode, known: ReadonlySet<string>): Damage[] {
  const { repository, digest } = node;
  const hits = [nameOf(node)];
  if (!node.children)
    return [{ kind: 'manifest-damaged', digest, message: `the manifest ${repository}@${digest} is not what was pushed`, hits }];
  return node.children
    .filter((child) => !foreignLayer.test(child.mediaType) && !known.has(keyOf({ repository, digest: child.digest })))
    .map((child): Damage => ({
      kind: 'child-missing',
      digest: child.digest,
      message: `${repository}@${digest} names ${child.digest}, which the repository does not have`,
      hits,
    }));
}

const nameOf = ({ repository, tags, digest }: ManifestNode): string =>
  tags[0] === undefined ? `${repository}@${digest}` : `${repository}:${tags[0]}`;

type Found = { readonly hashed: number; readonly damage?: Pick<Damage, 'kind' | 'message'> };

async function inspect(blobs: BlobStore, digest: ContentDigest, expected: number, { deep, signal }: CheckOptions): Promise<Found> {
  const size = await blobs.size(digest);
  if (size === undefined) return { hashed: 0, damage: { kind: 'blob-missing', message: `the blob ${digest} has no file` } };
  if (size !== expected)
    return { hashed: 0, damage: { kind: 'blob-size', message: `the blob ${digest} has ${size} bytes; ${expected} were pushed` } };
  if (!deep) return { hashed: 0 };
  const file = await blobs.read(digest);
  if (!file) return { hashed: 0, damage: { kind: 'blob-missing', message: `the blob ${digest} has no file` } };
  await using handle = file;
  const algorithm = algorithmOf(digest);
  const hash = createHash(algorithm);
  for await (const chunk of handle.createReadStream({ highWaterMark: 2 ** 20, autoClose: false })) {
    signal.throwIfAborted();
    hash.update(chunk as Buffer);
  }
  const actual = finishDigest(hash, algorithm);
  if (actual === digest) return { hashed: size };
  return { hashed: size, damage: { kind: 'blob-digest', message: `the blob ${digest} is now ${actual}: its bytes changed on disk` } };
}
