import { setImmediate as breathe } from 'node:timers/promises';
import type { Digest } from '../../kernel/digest.ts';
import type { KeyRing } from '../keys.ts';
import type { BuiltEntry, SnapshotImage } from '../snapshot.ts';
import type { Statement } from '../statement.ts';
import { lookOf, type Look } from '../statements/look.ts';
import type { FactsSource, RecordedLook } from './facts-source.ts';
import { readPaper } from './recorded-paper.ts';
import { isAboutSource } from './require-source.ts';

/** How far clocks may be apart, in milliseconds: what is dated later than that was signed by a clock that was wrong. */
export const clockSkew = 5 * 60_000;

type Known = { readonly subject: Statement['subject']; readonly look: Look } | { readonly why: string } | undefined;

const rememberedAtMost = 20_000;

/**
 * Puts the newest look at each image in the place of the one that its summary knows, better or worse. Newest is what was signed with the latest time that is not yet to
 * come; the order in which papers are listed says nothing. A paper that does not verify, or is about another digest or source, counts for nothing (`skipped` says why).
 * What was verified once is remembered by its digest, so that a snapshot of many images reads only news.
 */
export function newestLooks(ring: KeyRing, looks: FactsSource['looks']) {
  const known = new Map<string, Known>();
  const knownOf = async (image: Digest, recorded: RecordedLook): Promise<Known> => {
    const key = `${image} ${recorded.paper} ${recorded.recordedAt}`;
    if (known.has(key)) return known.get(key);
    const found = await readLook(ring, image, recorded);
    const oldest = known.keys().next();
    if (known.size >= rememberedAtMost && !oldest.done) known.delete(oldest.value);
    known.set(key, found);
    return found;
  };

  const newestOf = async (entry: BuiltEntry, now: Date, skipped: string[]): Promise<Look | undefined> => {
    const own = entry.scans?.vulnerabilities;
    const counts = (look: Look) => Date.parse(look.at) <= now.getTime() + clockSkew;
    let newest = own && counts(own) ? own : undefined;
    for (const recorded of await looks(entry.digest)) {
      const found = await knownOf(entry.digest, recorded);
      if (!found) continue;
      if ('why' in found || !isAboutSource(found.subject, entry.source)) {
        skipped.push(`${recorded.paper}: ${'why' in found ? found.why : 'it is about another commit or tree'}`);
        continue;
      }
      if (counts(found.look) && (newest === undefined || Date.parse(found.look.at) > Date.parse(newest.at))) newest = found.look;
    }
    // Nothing but looks of the future: what the summary says stands, and the policy refuses its date.
    return newest ?? own;
  };

  return async (
    images: readonly SnapshotImage[],
    now: Date,
  ): Promise<{ readonly images: readonly SnapshotImage[]; readonly skipped: readonly string[] }> => {
    const skipped: string[] = [];
    const fresh: SnapshotImage[] = [];
    for (const [nth, entry] of images.entries()) {
      // The first snapshot after a start reads all of them: whoever asks meanwhile has a turn.
      if (nth % 50 === 49) await breathe();
      const look = entry.imported || !entry.scans ? undefined : await newestOf(entry, now, skipped);
      fresh.push(look && !entry.imported ? { ...entry, scans: { ...entry.scans, vulnerabilities: look } } : entry);
    }
    return { images: fresh, skipped };
  };
}

/** Undefined: it is the look of a run, which the summary has judged. */
async function readLook(ring: KeyRing, image: Digest, recorded: RecordedLook): Promise<Known> {
  const read = await readPaper(ring, image, recorded);
  if ('why' in read) return read;
  return read.found.waybill.again ? { subject: read.subject, look: lookOf([read.found]) } : undefined;
}
