import { createHash } from 'node:crypto';
import type { VulnerabilityFinding } from '../finding.ts';
import { vexDocument, type VexDocument, type VexStatement } from './vex-document.ts';

export type VexOptions = {
  readonly findings: readonly VulnerabilityFinding[];
  /** Who says it: a person, a team, an address. */
  readonly author: string;
  readonly now: Date;
  /** `waybill VERSION`. */
  readonly tooling: string;
  /** What was scanned, as purl or IRI: the findings' components become its parts. Without it, each component is a product itself. */
  readonly product?: string;
  /** Reasons why somebody accepted a finding, by its key: a waiver. They stand in `status_notes`: accepting a risk does not make it none. */
  readonly accepted?: ReadonlyMap<string, string>;
};

/**
 * What a scan found, as a document to go on from (OpenVEX 0.2.0): `under_investigation` where nobody has said anything, `affected` with what to do where a fixed
 * version is known, `not_affected` where VEX has said so. Its id follows from its content and its time. Undefined when nothing was found: a document says something.
 */
export function vexOf({ findings, author, now, tooling, product, accepted }: VexOptions): VexDocument | undefined {
  const timestamp = now.toISOString();
  const merged = new Map<string, VexStatement>();
  for (const finding of findings) {
    const body = statementOf(finding, accepted?.get(finding.key));
    const same = JSON.stringify(body);
    const statement = merged.get(same) ?? { ...body, products: [] };
    merged.set(same, statement);
    const component = { '@id': finding.purl, identifiers: { purl: finding.purl } };
    if (product === undefined) statement.products.push(component);
    else {
      const [whole = { '@id': product, subcomponents: [] }] = statement.products;
      statement.products = [{ ...whole, subcomponents: [...(whole.subcomponents ?? []), component] }];
    }
  }
  if (merged.size === 0) return undefined;
  const statements = [...merged.values()];
  const id = createHash('sha256')
    .update(JSON.stringify([author, timestamp, statements]))
    .digest('hex');
  return vexDocument.parse({
    '@context': 'https://openvex.dev/ns/v0.2.0',
    '@id': `https://openvex.dev/docs/public/vex-${id}`,
    author,
    timestamp,
    version: 1,
    tooling,
    statements,
  });
}

function statementOf(finding: VulnerabilityFinding, accepted: string | undefined): Omit<VexStatement, 'products'> {
  const vulnerability = { name: finding.id, aliases: [...finding.aliases] };
  const notes = accepted === undefined ? {} : { status_notes: `accepted: ${accepted}` };
  if (finding.notAffected !== undefined) return { vulnerability, status: 'not_affected', impact_statement: finding.notAffected, ...notes };
  if (finding.fixed.length > 0) return { vulnerability, status: 'affected', action_statement: finding.fix, ...notes };
  return { vulnerability, status: 'under_investigation', ...notes };
}
