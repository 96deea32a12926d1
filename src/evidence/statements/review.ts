import { z } from 'zod';
import type { ReviewFacts } from '../facts.ts';
import { statementType, type Statement } from '../statement.ts';
import { imageSubject, sourceSubject, type ImageSubject, type Names } from '../subjects.ts';
import { vsaType, type Vsa } from './vsa.ts';

export const reviewType = 'https://waybill.dev/review/v1';

/** Who reviewed what, and how the reviewed tree became the commit: the source provenance of SLSA's source track. */
export const reviewPredicate = z.object({
  change: z.int(),
  version: z.int(),
  base: z.string(),
  head: z.string(),
  reviewedTree: z.string(),
  onto: z.string(),
  method: z.enum(['identical', 'mechanical-merge']),
  approvals: z.array(z.object({ reviewer: z.string(), at: z.string() })).min(1),
  authors: z.array(z.string()),
  mergedBy: z.string(),
  mergedAt: z.string(),
});
export type ReviewPredicate = z.infer<typeof reviewPredicate>;

export function reviewStatement(facts: ReviewFacts, names: Names, image?: ImageSubject): Statement<ReviewPredicate> {
  const { change, version, base, head, reviewedTree, onto, method, mergedBy, mergedAt } = facts;
  return {
    _type: statementType,
    subject: subjects(facts, names, image),
    predicateType: reviewType,
    predicate: {
      change,
      version,
      base,
      head,
      reviewedTree,
      onto,
      method,
      approvals: facts.approvals.map(({ reviewer, at }) => ({ reviewer, at })),
      authors: [...facts.authors],
      mergedBy,
      mergedAt,
    },
  };
}

/** Levels 1 to 3 of SLSA's source track; which one holds is a matter of how this Waybill is run, so the configuration says it. */
export type SourceLevel = 1 | 2 | 3;

/**
 * The source VSA. `SLSA_SOURCE_TWO_PARTY_REVIEWED` only when two people who did not write the change approved exactly the tree
 * that was merged: an author needs no trust to propose, so one reviewer is one trusted person.
 */
export function sourceSummaryStatement(
  facts: ReviewFacts,
  options: { names: Names; policy: Vsa['policy']; level: SourceLevel; at: Date; image?: ImageSubject },
): Statement<Vsa> {
  const reviewers = new Set(facts.approvals.map((approval) => approval.reviewer)).difference(new Set(facts.authors));
  const twoParty = reviewers.size >= 2 && facts.method === 'identical';
  return {
    _type: statementType,
    subject: subjects(facts, options.names, options.image),
    predicateType: vsaType,
    predicate: {
      verifier: { id: options.names.builderId },
      timeVerified: options.at.toISOString(),
      resourceUri: options.names.repositoryUri(facts.source.repository),
      policy: options.policy,
      verificationResult: 'PASSED',
      verifiedLevels: [`SLSA_SOURCE_LEVEL_${options.level}`, ...(twoParty ? ['SLSA_SOURCE_TWO_PARTY_REVIEWED'] : [])],
      slsaVersion: '1.2',
    },
  };
}

function subjects(facts: ReviewFacts, names: Names, image: ImageSubject | undefined): Statement['subject'] {
  return [...(image ? [imageSubject(image)] : []), sourceSubject(facts.source, names)];
}
