import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { WaybillError } from '../../kernel/error.ts';

/** Whom a job's files and processes belong to on the host. `separate` when that is not Waybill's own user. */
export type Owner = { readonly uid: number; readonly gid: number; readonly separate: boolean };

const slots = 1000;
const firstUid = 2_000_000_000; // above what distributions give to people, services and containers; 2^31 is out of reach
const ranges = 100_000;

/**
 * Hands out one user id per job when Waybill is root, from a range that depends on the state folder, so that two Waybills
 * of one host do not meet. Somebody who is not root has only himself.
 */
export class Owners {
  readonly #base: number | undefined;
  readonly #taken = new Set<number>();

  /** `user`: effective uid and gid of this process. `uidMap`: text of /proc/self/uid_map. */
  constructor(folder: string, user: { uid: number; gid: number }, uidMap: string) {
    this.#user = user;
    this.#base = user.uid === 0 ? baseFor(folder, uidMap) : undefined;
  }

  readonly #user: { uid: number; gid: number };

  take(): Owner {
    if (this.#base === undefined) return { ...this.#user, separate: false };
    for (let slot = 0; slot < slots; slot += 1) {
      if (this.#taken.has(slot)) continue;
      this.#taken.add(slot);
      return { uid: this.#base + slot, gid: this.#base + slot, separate: true };
    }
    throw new WaybillError('LIMIT_EXCEEDED', `${slots} jobs run at the same time on this host`);
  }

  release(owner: Owner): void {
    if (this.#base !== undefined) this.#taken.delete(owner.uid - this.#base);
  }
}

function baseFor(folder: string, uidMap: string): number {
  const wanted = firstUid + (createHash('sha256').update(folder).digest().readUInt32BE() % ranges) * slots;
  const maps = uidMap
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .map(([inside = 0, , count = 0]) => ({ first: inside, end: inside + count }));
  if (maps.length === 0 || maps.some(({ first, end }) => wanted >= first && wanted + slots <= end)) return wanted;
  // Root of a container: only a part of the ids exists there. Take the top of the largest part.
  const largest = maps.reduce((a, b) => (b.end - b.first > a.end - a.first ? b : a));
  return Math.max(largest.end - slots, 1);
}

export function ownUidMap(): string {
  try {
    return readFileSync('/proc/self/uid_map', 'utf8');
  } catch {
    return '0 0 4294967295'; // not Linux: all ids exist
  }
}
