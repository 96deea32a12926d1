import type { Digest } from '../kernel/digest.ts';
import { isWaybillError } from '../kernel/error.ts';
import type { KeyRing } from './keys.ts';
import { subjectMatches, type Statement } from './statement.ts';
import { imageSummaryPredicate } from './statements/summary.ts';
import { vsaType } from './statements/vsa.ts';
import { verifyBundle } from './verify.ts';

/** What the summary of an image says that other images are built upon. */
export type BaseFacts = {
  /** Repository in our registry, without host. */
  readonly repository: string;
  /** Built by a run here, or a third-party image that people vouched for. */
  readonly from: 'build' | 'import';
  /** Of an import: the reference that was asked for. */
  readonly upstream?: string;
  /** When the summary was signed (ISO). */
  readonly signedAt: string;
};

/** What the summaries among recorded bundles say of a base: those that verify, are about exactly that digest, and hold at `at`. */
export function baseFactsIn(bundles: readonly string[], digest: Digest, ring: KeyRing, at: Date): readonly BaseFacts[] {
  return bundles.flatMap((bundle) => {
    try {
      return baseFactsOf(verifyBundle(bundle, ring, at).statement, digest, at) ?? [];
    } catch (error) {
      // A paper that does not verify counts for nothing, and keeps no good one from counting.
      if (isWaybillError(error)) return [];
      throw error;
    }
  });
}

function baseFactsOf(statement: Statement, digest: Digest, at: Date): BaseFacts | undefined {
  if (statement.predicateType !== vsaType || !subjectMatches(statement, digest)) return undefined;
  const summary = imageSummaryPredicate.safeParse(statement.predicate);
  if (!summary.success) return undefined;
  const { waybill, timeVerified } = summary.data;
  if (waybill.digest !== digest || Date.parse(waybill.validUntil) <= at.getTime()) return undefined;
  const { repository, imported } = waybill;
  return {
    repository,
    signedAt: timeVerified,
    ...(imported === undefined ? { from: 'build' } : { from: 'import', upstream: imported.reference }),
  };
}
