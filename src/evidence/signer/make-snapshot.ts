import { digestOf } from '../../kernel/digest.ts';
import { WaybillError, messageOf } from '../../kernel/error.ts';
import type { KeyRing } from '../keys.ts';
import { subjectMatches } from '../statement.ts';
import { imageSummaryPredicate } from '../statements/summary.ts';
import { vsaType } from '../statements/vsa.ts';
import type { Snapshot, SnapshotImage } from '../snapshot.ts';
import { verifyBundle } from '../verify.ts';
import type { FactsSource } from './facts-source.ts';

export type SignedSnapshot = { readonly sequence: number; readonly issuedAt: string };

/**
 * A snapshot from the recorded summaries: each verified again, and each entry taken from what was signed, so that nobody who can write
 * to the database gets an image past the gate. Expired entries and revoked digests are left out, and so is a summary that does not
 * verify (`skipped` says why): one bad row must not keep news from the gate.
 * @throws WaybillError VERDICT_REFUSED when it would go backwards
 */
export function makeSnapshot(
  facts: Awaited<ReturnType<FactsSource['snapshot']>>,
  { ring, now, minutes, last }: { ring: KeyRing; now: Date; minutes: number; last: SignedSnapshot | undefined },
): { readonly snapshot: Snapshot; readonly skipped: readonly string[] } {
  if (last && facts.sequence < last.sequence)
    throw new WaybillError(
      'VERDICT_REFUSED',
      `a snapshot of sequence ${last.sequence} was signed before; ${facts.sequence} would go backwards`,
    );
  if (last && Date.parse(last.issuedAt) > now.getTime())
    throw new WaybillError(
      'VERDICT_REFUSED',
      `a snapshot was signed at ${last.issuedAt}, and it is ${now.toISOString()}: the clock went backwards`,
    );
  const revoked = new Set<string>(facts.revoked.map((entry) => entry.digest));
  const skipped: string[] = [];
  const images = new Map<string, SnapshotImage>();
  for (const summary of [...facts.summaries].sort((a, b) => Date.parse(a.recordedAt) - Date.parse(b.recordedAt))) {
    try {
      const image = imageOf(summary.bundle, ring, new Date(summary.recordedAt));
      if (!revoked.has(image.digest) && Date.parse(image.validUntil) > now.getTime()) images.set(image.digest, image);
    } catch (error) {
      skipped.push(`${digestOf(summary.bundle)}: ${messageOf(error)}`);
    }
  }
  const snapshot: Snapshot = {
    version: 1,
    sequence: facts.sequence,
    issuedAt: now.toISOString(),
    expiresAt: new Date(now.getTime() + minutes * 60_000).toISOString(),
    images: [...images.values()],
    revoked: [...facts.revoked],
  };
  return { snapshot, skipped };
}

function imageOf(bundle: string, ring: KeyRing, at: Date): SnapshotImage {
  const { statement } = verifyBundle(bundle, ring, at);
  const predicate = imageSummaryPredicate.safeParse(statement.predicate);
  if (statement.predicateType !== vsaType || !predicate.success)
    throw new WaybillError('PAPER_MALFORMED', 'a recorded summary is not the summary of an image');
  if (!subjectMatches(statement, predicate.data.waybill.digest))
    throw new WaybillError('PAPER_MALFORMED', `a summary's subject is not its image ${predicate.data.waybill.digest}`);
  return predicate.data.waybill;
}
