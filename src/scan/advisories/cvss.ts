import calculator from 'ae-cvss-calculator';

export type CvssScore = {
  readonly vector: string;
  /** From 0 to 10. */ readonly score: number;
  /** `4.0`, `3.1`, `3.0`, `2.0`. */ readonly version: string;
};

const shape = /^(?:CVSS:(4\.0|3\.1|3\.0)\/|\()?([A-Za-z]{1,3}:[A-Za-z]{1,6}(?:\/[A-Za-z]{1,3}:[A-Za-z]{1,6}){3,40})\)?$/;
const remembered = new Map<string, CvssScore | undefined>();
const mostRemembered = 20_000;

/**
 * Score of a vector of CVSS 4.0, 3.1, 3.0 or 2.0 (first.org/cvss). Undefined for what is none: a metric twice, one that is unknown, or a base metric that is
 * missing must not give some number.
 */
export function scoreOf(text: string): CvssScore | undefined {
  if (remembered.has(text)) return remembered.get(text);
  const found = score(text);
  if (remembered.size >= mostRemembered) remembered.clear();
  remembered.set(text, found);
  return found;
}

function score(text: string): CvssScore | undefined {
  const [, version = '2.0', metrics = ''] = shape.exec(text.trim()) ?? [];
  if (metrics === '') return undefined;
  const named = metrics.split('/');
  if (new Set(named.map((metric) => metric.split(':')[0])).size !== named.length) return undefined;
  const vector = version === '2.0' ? metrics : `CVSS:${version}/${metrics}`;
  const parsed = calculator.fromVector(vector);
  if (!parsed?.isBaseFullyDefined()) return undefined;
  const taken = new Set(parsed.toString().split('/'));
  // What it does not know it leaves out; `X` is "not defined".
  if (named.some((metric) => !metric.endsWith(':X') && !metric.endsWith(':ND') && !taken.has(metric))) return undefined;
  const { overall } = parsed.calculateScores();
  return typeof overall === 'number' && overall >= 0 && overall <= 10 ? { vector, score: overall, version } : undefined;
}
