import type { Kysely } from 'kysely';
import type { Clock } from '../kernel/clock.ts';
import type { KeyedLock } from '../kernel/keyed-lock.ts';
import { isContentDigest } from '../oci/content-digest.ts';
import type { BlobStore } from './blob-store.ts';
import type { Catalog } from './catalog.ts';
import { keyOf, readContents, type ManifestNode } from './contents.ts';
import type { Leases } from './leases.ts';
import { markKept, subjectsOf } from './mark.ts';
import type { RegistryTables } from './tables.ts';

export type CollectOptions = {
  /** Why an image stays; undefined when nothing needs it any more. Not asked about papers, which follow their image. */
  rootReason(image: ManifestNode): string | undefined;
  /** What was pushed, or asked about by a pusher, more recently than this many milliseconds ago stays. */
  readonly graceMs: number;
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
};

export type Collected = {
  readonly images: readonly {
    readonly repository: string;
    readonly digest: string;
    readonly tags: readonly string[];
    readonly fate: 'kept' | 'removed';
    readonly why: string;
  }[];
  /** Manifests that went, papers and members of indexes among them. */
  readonly manifests: number;
  readonly blobs: number;
  /** Bytes of files that went, or under `dryRun` would. */
  readonly bytes: number;
};

export type CollectParts = {
  readonly db: Kysely<RegistryTables>;
  readonly catalog: Catalog;
  readonly blobs: BlobStore;
  readonly locks: KeyedLock<string>;
  readonly leases: Leases;
  readonly clock: Clock;
};

/** Later looks at an image that a newer one has taken the place of stay for so long; the ledger has them for ever. */
const oldLookMs = 7 * 24 * 60 * 60_000;

/**
 * Removes what nothing needs, while pushes go on. Rows go first, each in a transaction that looks again at what it takes away; then files that
 * no row names, under the lock that a push holds while it gives a file its name. Cut off at any point it leaves files without rows, which the
 * next collection takes.
 */
export async function collectGarbage(parts: CollectParts, options: CollectOptions): Promise<Collected> {
  const { db, catalog, clock, leases } = parts;
  const { signal, dryRun } = options;
  const now = clock.now().getTime();
  const cutoff = new Date(now - options.graceMs).toISOString();
  leases.sweep(now);
  const { manifests } = await readContents(db);
  const present = new Set(manifests.map(keyOf));
  const isPaper = (node: ManifestNode) =>
    subjectsOf(node).some((subject) => present.has(keyOf({ repository: node.repository, digest: subject })));
  const members = new Set(
    manifests.flatMap((node) =>
      node.kind === 'index' ? (node.children ?? []).map(({ digest }) => keyOf({ repository: node.repository, digest })) : [],
    ),
  );
  const looksSince = new Date(now - oldLookMs).toISOString();
  const rootReason = (node: ManifestNode): string | undefined => {
    if (node.addedAt > cutoff) return 'pushed just now';
    // What cannot be read may be what somebody runs: fsck tells about it, nobody throws it away unseen.
    if (node.kind === 'unreadable') return 'damaged: see registry fsck';
    if (isPaper(node) || (members.has(keyOf(node)) && node.tags.length === 0)) return undefined;
    return options.rootReason(node);
  };
  const kept = markKept(manifests, rootReason, looksSince);

  const going = manifests.filter((node) => !kept.has(keyOf(node)));
  let gone = 0;
  for (const node of going) {
    signal.throwIfAborted();
    if (dryRun || (await catalog.removeUnchanged(node))) gone += 1;
  }
  const blobs = await sweepBlobs(parts, options, { cutoff, now, going: dryRun ? new Set(going.map(keyOf)) : new Set() });
  const images = manifests.filter((node) => !isPaper(node) && !members.has(keyOf(node)));
  return {
    images: images.map((node) => {
      const why = kept.get(keyOf(node));
      return {
        repository: node.repository,
        digest: node.digest,
        tags: node.tags,
        fate: why === undefined ? ('removed' as const) : ('kept' as const),
        why: why ?? 'nothing needs it',
      };
    }),
    manifests: gone,
    ...blobs,
  };
}

async function sweepBlobs(
  { db, catalog, blobs, locks, leases, clock }: CollectParts,
  { dryRun, signal }: CollectOptions,
  { cutoff, now, going }: { cutoff: string; now: number; going: ReadonlySet<string> },
): Promise<{ blobs: number; bytes: number }> {
  const { manifests } = await readContents(db);
  const needed = new Set(
    manifests.flatMap((node) =>
      going.has(keyOf(node)) ? [] : (node.children ?? []).map(({ digest }) => keyOf({ repository: node.repository, digest })),
    ),
  );
  const rows = await db.selectFrom('registry_blob').select(['repository', 'digest', 'size', 'added_at']).execute();
  const unneeded = rows.filter(
    (row) => !needed.has(keyOf(row)) && row.added_at <= cutoff && !leases.holds(row.repository, row.digest, now),
  );
  const damaged = new Set(manifests.flatMap((node) => (node.kind === 'unreadable' ? [node.repository] : [])));
  const takeable = unneeded.filter((row) => !damaged.has(row.repository));
  for (const row of dryRun ? [] : takeable) {
    signal.throwIfAborted();
    await catalog.removeUnneeded(row, () => leases.holds(row.repository, row.digest, clock.now().getTime()));
  }
  const dropped = new Set(dryRun ? takeable.map(keyOf) : []);
  const named = new Set(rows.filter((row) => !dropped.has(keyOf(row))).map((row) => row.digest));
  let count = 0;
  let bytes = 0;
  for await (const file of blobs.files()) {
    signal.throwIfAborted();
    if (!isContentDigest(file.digest) || file.modifiedAt > Date.parse(cutoff)) continue;
    if (dryRun) {
      if (named.has(file.digest)) continue;
    } else {
      using _lock = await locks.take(file.digest);
      const row = await db.selectFrom('registry_blob').select('digest').where('digest', '=', file.digest).limit(1).executeTakeFirst();
      if (row) continue;
      await blobs.remove(file.digest);
    }
    count += 1;
    bytes += file.size;
  }
  return { blobs: count, bytes };
}
