import type { VulnerabilityFinding } from '../finding.ts';
import { purlCovers } from './purl-match.ts';
import type { VexDocument, VexProduct, VexStatement } from './vex-document.ts';

export type VexInput = {
  readonly findings: readonly VulnerabilityFinding[];
  readonly documents: readonly VexDocument[];
  /** What was scanned, as statements may name it: purls, image references, digests. A component is always named by its own purl. */
  readonly products?: readonly string[];
};

export type AppliedVex = {
  /** Those that somebody says do no harm have `notAffected`; the others are as they were. */
  readonly findings: readonly VulnerabilityFinding[];
  /** Statements that meet nothing, for people: `CVE-2021-1 (not_affected, anna@example.com)`. */
  readonly unused: readonly string[];
};

type Dated = {
  readonly statement: VexStatement;
  readonly document: VexDocument;
  readonly time: number;
  /** Place among all, by time. */ readonly place: number;
};

/**
 * What VEX says about findings. Of several statements about one, the latest counts (of the same time the last), also when it takes back an earlier one.
 * `not_affected` and `fixed` make it harmless; `affected` and `under_investigation` do not.
 */
export function applyVex({ findings, documents, products = [] }: VexInput): AppliedVex {
  const dated = documents
    .flatMap((document) => document.statements.map((statement) => ({ statement, document, time: timeOf(statement, document) })))
    .sort((one, next) => one.time - next.time)
    .map((entry, place): Dated => ({ ...entry, place }));
  const byName = new Map<string, Dated[]>();
  for (const entry of dated)
    for (const name of new Set(namesOf(entry.statement))) {
      const same = byName.get(name);
      if (same) same.push(entry);
      else byName.set(name, [entry]);
    }
  const used = new Set<VexStatement>();
  const told = findings.map((finding) => {
    const about = new Set([finding.id, ...finding.aliases].flatMap((name) => byName.get(name.toUpperCase()) ?? []));
    const latest = [...about]
      .filter(({ statement }) => statement.products.some((product) => covers(product, finding, products)))
      .sort((a, b) => a.place - b.place);
    for (const { statement } of latest) used.add(statement);
    const last = latest.at(-1);
    if (!last || (last.statement.status !== 'not_affected' && last.statement.status !== 'fixed')) return finding;
    return { ...finding, notAffected: reasonOf(last) };
  });
  const unused = dated
    .filter(({ statement }) => !used.has(statement))
    .map(({ statement, document }) => `${statement.vulnerability.name} (${statement.status}, ${document.author})`);
  return { findings: told, unused };
}

function timeOf(statement: VexStatement, document: VexDocument): number {
  return Date.parse(statement.last_updated ?? statement.timestamp ?? document.last_updated ?? document.timestamp);
}

function namesOf({ vulnerability }: VexStatement): readonly string[] {
  return [vulnerability.name, ...vulnerability.aliases].map((name) => name.toUpperCase());
}

/** It names the component itself; or what was scanned, with the component among its parts or with no parts at all. */
function covers(product: VexProduct, finding: VulnerabilityFinding, products: readonly string[]): boolean {
  const parts = product.subcomponents ?? [];
  if (parts.length === 0 && identifies(product, finding.purl)) return true;
  const scanned = products.some((name) => identifies(product, name));
  return scanned && (parts.length === 0 || parts.some((part) => identifies(part, finding.purl)));
}

function identifies({ '@id': id, identifiers, hashes }: Omit<VexProduct, 'subcomponents'>, name: string): boolean {
  const said = [id, identifiers?.purl].filter((one) => one !== undefined);
  if (said.some((one) => one === name || purlCovers(one, name))) return true;
  return name.startsWith('sha256:') && Object.values(hashes ?? {}).includes(name.slice('sha256:'.length));
}

function reasonOf({ statement, document }: Dated): string {
  const why =
    statement.status === 'fixed'
      ? 'fixed'
      : [statement.justification?.replaceAll('_', ' '), statement.impact_statement]
          .filter((part) => part !== undefined && part !== '')
          .join(': ');
  return `${why} (${document.author})`;
}
