import { z } from 'zod';
import { hexOf } from '../../kernel/digest.ts';
import type { ImportFacts, ImportScan } from '../facts.ts';
import { statementType, type Statement } from '../statement.ts';
import { upstreamSignatures } from '../upstream/upstream-signatures.ts';
import { imageSubject } from '../subjects.ts';
import { worstOf } from './vulnerabilities.ts';

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
  scans: z.array(
    z.object({
      record: z.object({ sha256: z.string() }),
      scanner: z.string(),
      finishedOn: z.string(),
      covered: z.object({ files: z.int(), bytes: z.int(), components: z.int(), skipped: z.int() }),
      databases: z.array(z.object({ ecosystem: z.string(), advisories: z.int(), updatedAt: z.string() })),
      /** Of all that was found; absent when nothing was. */
      worst: z.enum(['low', 'medium', 'high', 'critical', 'unknown']).exactOptional(),
      findings: z
        .array(z.object({ kind: z.string(), id: z.string(), severity: z.string(), component: z.string().exactOptional() }))
        .max(10_000),
    }),
  ),
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
      scans: facts.scan ? [scanOf(facts.scan)] : [],
    },
  };
}

function scanOf({ record, scanner, finishedAt, covered, databases, findings }: ImportScan): ImportPredicate['scans'][number] {
  const worst = worstOf(findings);
  return {
    record: { sha256: hexOf(record) },
    scanner,
    finishedOn: finishedAt,
    covered: { ...covered },
    databases: databases.map(({ ecosystem, advisories, updatedAt }) => ({ ecosystem, advisories, updatedAt })),
    ...(worst === undefined ? {} : { worst }),
    findings: findings.map(({ kind, id, severity, component }) => ({
      kind,
      id,
      severity,
      ...(component === undefined ? {} : { component }),
    })),
  };
}
