import type { KeyedLock } from '../../kernel/keyed-lock.ts';
import { isContentDigest, type ContentDigest } from '../../oci/content-digest.ts';
import type { BlobStore } from '../blob-store.ts';
import type { Item, Shelf } from './shelf.ts';

export type Evicted = { readonly items: number; readonly bytes: number };

/** Makes room in the cache: the least recently used goes first, and nothing that somebody reads at this moment. */
export type Room = {
  /** @returns what the server's content and what is on its way may still grow to is `bytes` more; false when that cannot be */
  make(server: string, quotaBytes: number, bytes: number): Promise<{ readonly enough: boolean } & Evicted>;
  /** Everything of a server. */
  clear(server: string): Promise<Evicted>;
  /** Files that no row names, older than `beforeMs`: what a crash left. */
  strays(beforeMs: number, signal: AbortSignal): Promise<Evicted>;
};

const page = 200;

export function openRoom(parts: {
  readonly shelf: Shelf;
  readonly blobs: BlobStore;
  /** By digest: whoever gives a file its name or takes it away holds it together with the rows. */
  readonly locks: KeyedLock<string>;
  readonly isRead: (digest: string) => boolean;
  /** What the disk has, and what it keeps. */
  readonly freeBytes: () => Promise<number>;
  readonly minimumFreeBytes: number;
}): Room {
  const { shelf, blobs, locks, isRead } = parts;

  /** False when somebody reads it. */
  async function evict(server: string, item: Item): Promise<boolean> {
    if (item.repository !== undefined) {
      await shelf.dropManifest(server, item.repository, item.digest);
      return true;
    }
    using _held = await locks.take(item.digest);
    if (isRead(item.digest)) return false;
    await shelf.dropBlob(server, item.digest);
    if (isContentDigest(item.digest) && !(await shelf.named(item.digest))) await blobs.remove(item.digest);
    return true;
  }

  /** Takes items away until `done`; what is read now is passed over. */
  async function sweep(server: string, done: (bytes: number) => boolean): Promise<Evicted> {
    let [items, bytes] = [0, 0];
    const kept = new Set<string>();
    for (;;) {
      const oldest = await shelf.oldest(server, page + kept.size);
      const candidates = oldest.filter((item) => !kept.has(keyOf(item)));
      if (candidates.length === 0) return { items, bytes };
      for (const item of candidates) {
        if (done(bytes)) return { items, bytes };
        if (!(await evict(server, item))) kept.add(keyOf(item));
        else [items, bytes] = [items + 1, bytes + item.size];
      }
    }
  }

  return {
    async make(server, quotaBytes, more) {
      if (more > quotaBytes) return { enough: false, items: 0, bytes: 0 };
      const lacking = parts.minimumFreeBytes + more - (await parts.freeBytes());
      const held = await shelf.bytes(server);
      const excess = Math.max(held + more - quotaBytes, lacking);
      // Nothing is thrown away for something that does not fit all the same.
      if (excess > held) return { enough: false, items: 0, bytes: 0 };
      if (excess <= 0) return { enough: true, items: 0, bytes: 0 };
      const evicted = await sweep(server, (bytes) => bytes >= excess);
      return { enough: evicted.bytes >= excess, ...evicted };
    },
    clear: (server) => sweep(server, () => false),
    async strays(beforeMs, signal) {
      let [items, bytes] = [0, 0];
      for await (const file of blobs.files()) {
        signal.throwIfAborted();
        if (!isContentDigest(file.digest) || file.modifiedAt > beforeMs) continue;
        const digest: ContentDigest = file.digest;
        using _held = await locks.take(digest);
        if (isRead(digest) || (await shelf.named(digest))) continue;
        await blobs.remove(digest);
        [items, bytes] = [items + 1, bytes + file.size];
      }
      return { items, bytes };
    },
  };
}

const keyOf = (item: Item): string => `${item.repository ?? ''}@${item.digest}`;
