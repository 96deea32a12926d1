import { z } from 'zod';
import { hexOf } from '../../kernel/digest.ts';
import type { ScanFacts } from '../facts.ts';
import { statementType, type Statement } from '../statement.ts';
import { imageSubject, sourceSubject, type ImageSubject, type Names } from '../subjects.ts';

/** Our own: which rules looked at how much of a tree for credentials. A paper exists only for a scan that passed; it holds no credential. */
export const secretScanType = 'https://waybill.dev/secret-scan/v1';

const digest = z.record(z.string(), z.string());

export const scanExtension = z.object({
  run: z.int(),
  scan: z.enum(['secrets', 'dependencies', 'image']),
  level: z.string(),
  comparedWith: z.string().exactOptional(),
  /** Digest of the record, which the server keeps. */
  record: digest,
  covered: z.object({ files: z.int(), bytes: z.int(), components: z.int(), skipped: z.int() }),
});

export const secretScanPredicate = z.object({
  result: z.literal('PASSED'),
  scanner: z.object({ uri: z.string(), version: z.string(), rules: z.object({ count: z.int().min(1), digest }) }),
  findings: z.object({ known: z.int(), waived: z.int() }),
  waivers: z.array(z.object({ rule: z.string(), owner: z.string(), reason: z.string(), expires: z.string() })),
  metadata: z.object({ scanStartedOn: z.string(), scanFinishedOn: z.string() }),
  waybill: scanExtension,
});
export type SecretScan = z.infer<typeof secretScanPredicate>;

export function secretScanStatement(facts: ScanFacts, names: Names, image?: ImageSubject): Statement<SecretScan> {
  const { rules, findings } = facts;
  return {
    _type: statementType,
    subject: [...(image ? [imageSubject(image)] : []), sourceSubject(facts.source, names)],
    predicateType: secretScanType,
    predicate: {
      result: 'PASSED',
      scanner: {
        uri: names.builderId,
        version: facts.scanner,
        rules: { count: rules?.count ?? 0, digest: rules ? { sha256: hexOf(rules.digest) } : {} },
      },
      findings: { known: findings.filter((each) => !each.waiver).length, waived: findings.filter((each) => each.waiver).length },
      waivers: findings.flatMap(({ id, waiver }) => (waiver ? [{ rule: id, ...waiver }] : [])),
      metadata: { scanStartedOn: facts.startedAt, scanFinishedOn: facts.finishedAt },
      waybill: extensionOf(facts),
    },
  };
}

/** What every paper of a scan says besides. */
export function extensionOf(facts: ScanFacts): z.infer<typeof scanExtension> {
  return {
    run: facts.run,
    scan: facts.scan,
    level: facts.level,
    ...(facts.comparedWith === undefined ? {} : { comparedWith: facts.comparedWith }),
    record: { sha256: hexOf(facts.record) },
    covered: { ...facts.covered },
  };
}
