import type { Snapshot, SnapshotImage } from '../evidence/snapshot.ts';
import type { Digest } from '../kernel/digest.ts';
import type { Knowledge } from '../policy/judge-image.ts';

/** A verified snapshot, ready to be asked. Immutable: a newer snapshot makes a new index. */
export type SnapshotIndex = {
  has(digest: Digest): boolean;
  knowledge(now: Date): Knowledge;
};

export function indexSnapshot(snapshot: Snapshot): SnapshotIndex {
  const images = new Map<Digest, SnapshotImage[]>();
  for (const image of snapshot.images) {
    const entries = images.get(image.digest);
    if (entries) entries.push(image);
    else images.set(image.digest, [image]);
  }
  const revoked = new Map(snapshot.revoked.map((entry) => [entry.digest, entry.reason]));
  const ageWarning = `The gate’s snapshot is from ${snapshot.issuedAt} and should have been replaced by ${snapshot.expiresAt}.`;
  const expiresAt = Date.parse(snapshot.expiresAt);
  const known = { images: (digest: Digest) => images.get(digest) ?? [], revoked: (digest: Digest) => revoked.get(digest) };
  const old = { ...known, ageWarning };
  return {
    has: (digest) => images.has(digest) || revoked.has(digest),
    // An unreadable date is NaN, and counts as old.
    knowledge: (now) => (expiresAt > now.getTime() ? known : old),
  };
}

/** What the gate knows before its first snapshot: nothing, and it says so. */
export const noKnowledge: Knowledge = {
  images: () => [],
  revoked: () => undefined,
  absent: 'the gate has never had a signed snapshot, so it knows no image.',
};
