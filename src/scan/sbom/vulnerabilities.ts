import type { VulnerabilityFinding } from '../finding.ts';

/** What was found, as `vulnerabilities` of CycloneDX 1.6, one for each finding; what VEX said about it is its `analysis`. */
export function vulnerabilitiesOf(findings: readonly VulnerabilityFinding[]): readonly object[] {
  return findings.map((finding) => {
    const { id, aliases, purl, severity, score, vector, title, fix, url, notAffected } = finding;
    const others = aliases.filter((alias) => alias !== id);
    return {
      id,
      ...(url === undefined ? {} : { source: { name: 'OSV', url } }),
      ...(others.length === 0 ? {} : { references: others.map((alias) => ({ id: alias, source: { name: sourceOf(alias) } })) }),
      ratings: [
        {
          severity,
          ...(score === undefined ? {} : { score }),
          ...(vector === undefined ? {} : { method: methodOf(vector), vector }),
        },
      ],
      description: title,
      recommendation: fix,
      affects: [{ ref: purl }],
      ...(notAffected === undefined ? {} : { analysis: { state: 'not_affected', detail: notAffected } }),
    };
  });
}

function methodOf(vector: string): string {
  if (vector.startsWith('CVSS:4')) return 'CVSSv4';
  if (vector.startsWith('CVSS:3.1')) return 'CVSSv31';
  if (vector.startsWith('CVSS:3')) return 'CVSSv3';
  return vector.startsWith('AV:') ? 'CVSSv2' : 'other';
}

/** `GHSA` of `GHSA-xxxx`: who gives the names. */
function sourceOf(id: string): string {
  return /^[A-Z][A-Z0-9]*(?=-)/.exec(id)?.[0] ?? 'OSV';
}
