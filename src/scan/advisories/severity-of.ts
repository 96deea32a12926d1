import { severityOfScore, worse, type Severity } from '../severity.ts';
import type { Advisory } from './advisory.ts';
import type { Affected } from './affected.ts';
import { scoreOf, type CvssScore } from './cvss.ts';

/** How databases rate in words: GitHub, Red Hat, Debian ("urgency"), Ubuntu ("priority"). Anything else says nothing. */
const words: Readonly<Record<string, Severity>> = {
  critical: 'critical',
  high: 'high',
  important: 'high',
  moderate: 'medium',
  medium: 'medium',
  low: 'low',
  minor: 'low',
  negligible: 'low',
  unimportant: 'low',
};

export type Rated = { readonly severity: Severity; readonly vector?: string; readonly score?: number };

/**
 * How bad it is by all that advisories say of it: the highest score of a CVSS vector, of each advisory that of the newest version of CVSS; where nobody gives one, the
 * worst word. A malicious package is always critical. Nobody knows: `unknown`.
 */
export function severityOf(hits: readonly { readonly advisory: Advisory; readonly affected: Affected }[]): Rated {
  const scores = hits.flatMap(({ advisory, affected }) => newest(affected.s ?? []) ?? newest(advisory.vectors) ?? []);
  const highest = scores.reduce<CvssScore | undefined>((best, next) => (best && best.score >= next.score ? best : next), undefined);
  const rated = highest ? { vector: highest.vector, score: highest.score } : {};
  if (hits.some(({ advisory }) => isMalicious(advisory))) return { severity: 'critical', ...rated };
  if (highest) return { severity: severityOfScore(highest.score), ...rated };
  const said = hits.flatMap(({ advisory, affected }) => words[affected.w ?? ''] ?? words[advisory.rating ?? ''] ?? []);
  return { severity: said.length === 0 ? 'unknown' : said.reduce(worse) };
}

/** Of OSSF's malicious-packages: it was made to do harm. */
export function isMalicious({ id, aliases }: Advisory): boolean {
  return [id, ...aliases].some((name) => name.startsWith('MAL-'));
}

function newest(vectors: readonly string[]): CvssScore | undefined {
  return vectors.flatMap((vector) => scoreOf(vector) ?? []).sort((a, b) => Number(b.version) - Number(a.version) || b.score - a.score)[0];
}
