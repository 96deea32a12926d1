import { z } from 'zod';
import { hexOf } from '../../kernel/digest.ts';
import type { FoundFact, RescanFacts, ScanFacts } from '../facts.ts';
import { statementType, type Statement } from '../statement.ts';
import { imageSubject, sourceSubject, type ImageSubject, type Names } from '../subjects.ts';
import { extensionOf, scanExtension } from './secret-scan.ts';

/** in-toto vulnerabilities v0.2 (in-toto/attestation spec/predicates/vulns_02.md). */
export const vulnerabilitiesType = 'https://in-toto.io/attestation/vulns/v0.2';

const digest = z.record(z.string(), z.string());
const severity = z.enum(['low', 'medium', 'high', 'critical', 'unknown']);

export const vulnerabilitiesPredicate = z.object({
  scanner: z.object({
    uri: z.string(),
    version: z.string(),
    db: z.object({ uri: z.string().exactOptional(), version: z.string().exactOptional(), lastUpdate: z.string().exactOptional() }),
    result: z.array(
      z.object({
        id: z.string(),
        severity: z.array(z.object({ method: z.string(), score: z.string() })),
        annotations: z.array(z.record(z.string(), z.string())).exactOptional(),
      }),
    ),
  }),
  metadata: z.object({ scanStartedOn: z.string(), scanFinishedOn: z.string() }),
  /** Our extension. `worst`: of what is neither waived nor said to do no harm; absent when there is nothing of that kind. */
  waybill: scanExtension.extend({
    worst: severity.exactOptional(),
    open: z.int(),
    waived: z.int(),
    databases: z.array(z.object({ ecosystem: z.string(), advisories: z.int(), digest, updatedAt: z.string() })),
    /** A later look, at image and source together by this list of components. Without it: the look of the run. */
    again: z
      .object({
        components: digest,
        /** Since when the image is at least that bad, where it was better when its run built it. */
        since: z.partialRecord(severity, z.string()).exactOptional(),
      })
      .exactOptional(),
  }),
});
export type Vulnerabilities = z.infer<typeof vulnerabilitiesPredicate>;

/** From harmless to worst; an unknown one is as bad as it could be. */
export const severityOrder = ['low', 'medium', 'high', 'critical', 'unknown'] as const;

/** The worst severity of what is open; an unknown one is as bad as it could be. */
export function worstOf(findings: readonly FoundFact[]): FoundFact['severity'] | undefined {
  const open = findings.filter((each) => !each.waiver && each.notAffected === undefined);
  return severityOrder.findLast((candidate) => open.some((each) => each.severity === candidate));
}

/** @param since of a later look: see signer/bad-since.ts */
export function vulnerabilitiesStatement(
  facts: ScanFacts | RescanFacts,
  names: Names,
  image?: ImageSubject,
  since: Partial<Record<FoundFact['severity'], string>> = {},
): Statement<Vulnerabilities> {
  const { databases, findings } = facts;
  const open = findings.filter((each) => !each.waiver && each.notAffected === undefined);
  const worst = worstOf(findings);
  const oldest = databases.map((database) => database.updatedAt).toSorted()[0];
  return {
    _type: statementType,
    subject: [...(image ? [imageSubject(image)] : []), sourceSubject(facts.source, names)],
    predicateType: vulnerabilitiesType,
    predicate: {
      scanner: {
        uri: names.builderId,
        version: facts.scanner,
        db: {
          uri: 'https://osv.dev',
          ...(databases.length > 0
            ? { version: databases.map((each) => `${each.ecosystem}@${hexOf(each.digest).slice(0, 16)}`).join(' ') }
            : {}),
          ...(oldest === undefined ? {} : { lastUpdate: oldest }),
        },
        result: findings.filter((each) => each.kind === 'vulnerability').map(resultOf),
      },
      metadata: { scanStartedOn: facts.startedAt, scanFinishedOn: facts.finishedAt },
      waybill: {
        ...extensionOf(facts),
        ...(worst === undefined ? {} : { worst }),
        open: open.length,
        waived: findings.length - open.length,
        databases: databases.map(({ ecosystem, advisories, digest: sha256, updatedAt }) => ({
          ecosystem,
          advisories,
          digest: { sha256: hexOf(sha256) },
          updatedAt,
        })),
        ...('sbom' in facts
          ? { again: { components: { sha256: hexOf(facts.sbom) }, ...(Object.keys(since).length > 0 ? { since } : {}) } }
          : {}),
      },
    },
  };
}

function resultOf(found: FoundFact): Vulnerabilities['scanner']['result'][number] {
  const annotations: Record<string, string>[] = [
    ...(found.component === undefined ? [] : [{ component: found.component }]),
    ...(found.fixed?.[0] === undefined ? [] : [{ fixed: found.fixed[0] }]),
    ...(found.waiver ? [{ waivedBy: found.waiver.owner, reason: found.waiver.reason, expires: found.waiver.expires }] : []),
    ...(found.notAffected === undefined ? [] : [{ notAffected: found.notAffected }]),
  ];
  return {
    id: found.id,
    severity: [
      ...(found.vector === undefined ? [] : [{ method: methodOf(found.vector), score: found.vector }]),
      { method: 'rating', score: found.severity },
    ],
    ...(annotations.length > 0 ? { annotations } : {}),
  };
}

const methodOf = (vector: string): string => (vector.startsWith('CVSS:4') ? 'CVSSv4' : vector.startsWith('CVSS:3') ? 'CVSSv3' : 'CVSSv2');
