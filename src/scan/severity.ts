/** From harmless to worst. `unknown`: nobody said; it is never taken for harmless. */
export const severities = ['low', 'medium', 'high', 'critical'] as const;
export type Severity = (typeof severities)[number] | 'unknown';

const ranks: Readonly<Record<Severity, number>> = { low: 0, medium: 1, high: 2, critical: 3, unknown: 3 };

/** Whether `severity` is at least as bad as `limit`. An unknown one is as bad as it could be. */
export function atLeast(severity: Severity, limit: Severity): boolean {
  return ranks[severity] >= ranks[limit];
}

/** The worse one. */
export function worse(a: Severity, b: Severity): Severity {
  return ranks[b] > ranks[a] ? b : a;
}

/** CVSS v3.1 and v4.0, "Qualitative Severity Rating Scale": a score of 0 is rated `low` here, since somebody wrote an advisory about it. */
export function severityOfScore(score: number): Severity {
  return score >= 9 ? 'critical' : score >= 7 ? 'high' : score >= 4 ? 'medium' : 'low';
}
