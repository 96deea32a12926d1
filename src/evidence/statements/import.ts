import { z } from 'zod';
import { hexOf } from '../../kernel/digest.ts';
import type { ImportFacts } from '../facts.ts';
import { statementType, type Statement } from '../statement.ts';
import { upstreamSignatures } from '../upstream/upstream-signatures.ts';
import { imageSubject } from '../subjects.ts';

/** A third-party image that people vouched for. */
export const importType = 'https://waybill.dev/import/v1';

export const importPredicate = z.object({
  import: z.int(),
  upstream: z.object({ reference: z.string(), digest: z.object({ sha256: z.string() }) }),
  reason: z.string(),
  requestedBy: z.string(),
  requestedAt: z.string(),
  approvals: z.array(z.object({ reviewer: z.string(), at: z.string() })).min(1),
  importedAt: z.string(),
  /** What was done about signatures of the upstream; said, so that nobody takes silence for a yes. */
  upstreamSignatures: z.union([z.literal('not checked'), upstreamSignatures]),
  /** Reports of scanners about the image; empty: nobody looked into it. */
  scans: z.array(z.never()),
});
export type ImportPredicate = z.infer<typeof importPredicate>;

export function importStatement(facts: ImportFacts): Statement<ImportPredicate> {
  return {
    _type: statementType,
    subject: [imageSubject(facts.image)],
    predicateType: importType,
    predicate: {
      import: facts.number,
      upstream: { reference: facts.reference, digest: { sha256: hexOf(facts.image.digest) } },
      reason: facts.reason,
      requestedBy: facts.requestedBy,
      requestedAt: facts.requestedAt,
      approvals: facts.approvals.map(({ reviewer, at }) => ({ reviewer, at })),
      importedAt: facts.importedAt,
      upstreamSignatures: facts.signatures ?? 'not checked',
      scans: [],
    },
  };
}
