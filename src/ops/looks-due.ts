import { clockSkew } from '../evidence/signer/newest-look.ts';
import type { BuiltEntry } from '../evidence/snapshot.ts';
import type { PolicySet } from '../policy/evidence-policy.ts';

const day = 86_400_000;
/** Where no policy asks for less. */
const oldestLookMs = 3 * day;
/** How old the newest look at an image becomes before there is another one: half of what the strictest policy allows, so that one that fails can be made up for. */
export function lookAgeMs({ default: general, namespaces }: PolicySet): number {
  const days = [general, ...Object.values(namespaces)].flatMap(({ require }) => {
    const asked = require.scans?.vulnerabilities;
    return typeof asked === 'object' && asked.days !== undefined ? [asked.days] : [];
  });
  return Math.min(oldestLookMs, ...days.map((each) => (each * day) / 2));
}

/** Whether an image is to be looked up again: its newest look is too old, of the future, or older than the last change of what is known about its components. */
export function isDue(
  entry: BuiltEntry,
  { now, ageMs, changes }: { readonly now: Date; readonly ageMs: number; readonly changes: ReadonlyMap<string, string> },
): boolean {
  const looked = entry.scans?.vulnerabilities;
  if (!looked) return false;
  const age = now.getTime() - Date.parse(looked.at);
  // An unreadable date is NaN, and NaN is not young.
  if (!(age >= -clockSkew && age < ageMs)) return true;
  const changed = changes.get(entry.digest);
  return changed !== undefined && Date.parse(changed) > Date.parse(looked.at);
}

/** What is in use first, then the newest of each name, then what could still be deployed; of equals the one whose look is oldest. What just failed comes last. */
export function inOrder(
  due: readonly BuiltEntry[],
  {
    inUse,
    newest,
    failed,
  }: { readonly inUse: ReadonlySet<string>; readonly newest: ReadonlySet<string>; readonly failed: ReadonlySet<string> },
): readonly BuiltEntry[] {
  const rank = ({ digest }: BuiltEntry) => (failed.has(digest) ? 3 : inUse.has(digest) ? 0 : newest.has(digest) ? 1 : 2);
  const time = (entry: BuiltEntry) => Date.parse(entry.scans?.vulnerabilities?.at ?? '') || 0;
  return due.toSorted((a, b) => rank(a) - rank(b) || time(a) - time(b));
}

/** Digests of the newest image of each name: that of the latest run. */
export function newestOfEachName(images: readonly BuiltEntry[]): ReadonlySet<string> {
  const newest = new Map<string, BuiltEntry>();
  for (const image of images) if (image.run > (newest.get(image.repository)?.run ?? 0)) newest.set(image.repository, image);
  return new Set([...newest.values()].map(({ digest }) => digest));
}
