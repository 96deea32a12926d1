import type { Digest } from '../../kernel/digest.ts';
import type { RescanFacts } from '../facts.ts';
import type { KeyRing } from '../keys.ts';
import { newestOf, type BadSince, type Look } from '../statements/look.ts';
import { severityOrder, worstOf, type Vulnerabilities } from '../statements/vulnerabilities.ts';
import type { FactsSource } from './facts-source.ts';
import { readPaper } from './recorded-paper.ts';
import { isAboutSource } from './require-source.ts';

/**
 * Since when an image is at least that bad, for each severity up to the worst that is open now. What it was already when its run built it has no entry: nobody released it
 * in good faith. A severity that went away and came back began anew.
 * @param before the newest look before this one; undefined when there is none that can be read, and then nothing is known
 */
export function badSince(before: Look | undefined, now: Pick<RescanFacts, 'findings' | 'startedAt'>): BadSince {
  const worst = worstOf(now.findings);
  if (before === undefined || worst === undefined) return {};
  const since: BadSince = {};
  const was = before.worst === undefined ? -1 : severityOrder.indexOf(before.worst);
  for (const [rank, severity] of severityOrder.entries()) {
    if (rank > severityOrder.indexOf(worst)) break;
    const from = rank <= was ? before.since?.[severity] : now.startedAt;
    if (from !== undefined) since[severity] = from;
  }
  return since;
}

/** The newest look at an image that was signed before, of its run or later; what does not verify, or is about something else, counts for nothing. */
export async function lookBefore(
  ring: KeyRing,
  looks: FactsSource['looks'],
  { image, source }: { readonly image: Digest; readonly source: RescanFacts['source'] },
): Promise<Look | undefined> {
  const papers: Vulnerabilities[] = [];
  for (const recorded of await looks(image)) {
    const read = await readPaper(ring, image, recorded);
    if ('found' in read && isAboutSource(read.subject, source)) papers.push(read.found);
  }
  return papers.length === 0 ? undefined : newestOf(papers);
}
