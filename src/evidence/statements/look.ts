import type { ScanSummary } from '../snapshot.ts';
import { severityOrder, type Vulnerabilities } from './vulnerabilities.ts';

/** What is asked of a look at vulnerabilities: when it was, the worst that is open, and how old the advisories were. */
export type Look = NonNullable<ScanSummary['vulnerabilities']>;

/** By severity: since when an image is at least that bad. Nothing for what it was when its run built it. */
export type BadSince = { -readonly [severity in keyof NonNullable<Look['since']>]: NonNullable<Look['since']>[severity] };

/** Looks that count together: as old as the oldest, as bad as the worst. @throws RangeError for none */
export function lookOf(papers: readonly Vulnerabilities[]): Look {
  const at = papers.map(timeOf).toSorted()[0];
  if (at === undefined) throw new RangeError('no look at vulnerabilities');
  const worst = severityOrder.findLast((candidate) => papers.some((each) => each.waybill.worst === candidate));
  const databaseAt = papers.flatMap((each) => each.waybill.databases.map((database) => database.updatedAt)).toSorted()[0];
  const since = papers.length === 1 ? papers[0]?.waybill.again?.since : undefined;
  return {
    at,
    ...(worst === undefined ? {} : { worst }),
    ...(databaseAt === undefined ? {} : { databaseAt }),
    ...(since === undefined ? {} : { since }),
  };
}

/** A later look opens the advisories when it begins; a run's look has also read the tree or the layers, up to its end. */
export function timeOf({ metadata, waybill }: Vulnerabilities): string {
  return waybill.again ? metadata.scanStartedOn : metadata.scanFinishedOn;
}

/** The newest of an image's looks: a later one stands for image and source alike, those of the run count together. @throws RangeError for none */
export function newestOf(papers: readonly Vulnerabilities[]): Look {
  const ofTheRun = papers.filter(({ waybill }) => !waybill.again);
  const later = papers.filter(({ waybill }) => waybill.again).map((each) => lookOf([each]));
  const [first, ...others] = ofTheRun.length > 0 ? [lookOf(ofTheRun), ...later] : later;
  if (!first) throw new RangeError('no look at vulnerabilities');
  return others.reduce((newest, each) => (Date.parse(each.at) > Date.parse(newest.at) ? each : newest), first);
}
