import type { Place, SecretFinding } from '../finding.ts';
import { worse, severities } from '../severity.ts';
import type { Fingerprints } from './fingerprint.ts';
import type { Located } from './scan-chunks.ts';

/** Blobs → the commits that brought them in, newest first, and the path that they had there. */
export type CommitsOf = (
  blobs: ReadonlySet<string>,
  signal: AbortSignal,
) => Promise<ReadonlyMap<string, readonly { readonly commit: string; readonly path: string }[]>>;

const mostPlaces = 100;
const mostCommits = 100;

/** One finding for each value under each rule, with all its places. */
export async function makeFindings(
  located: readonly Located[],
  fingerprints: Fingerprints,
  commitsOf: CommitsOf | undefined,
  signal: AbortSignal,
): Promise<readonly SecretFinding[]> {
  const groups = Map.groupBy(located, ({ rule, value }) => `${rule.rule.id}\0${value}`);
  const blobs = new Set(located.flatMap(({ blob }) => (blob === undefined ? [] : [blob])));
  const commits = commitsOf && blobs.size > 0 ? await commitsOf(blobs, signal) : undefined;
  const findings = await Promise.all([...groups.values()].map((group) => makeFinding(group, fingerprints, commits)));
  const rank = ({ severity }: SecretFinding) => (severity === 'unknown' ? severities.length : severities.indexOf(severity));
  return findings.flat().toSorted((a, b) => rank(b) - rank(a) || (a.key < b.key ? -1 : 1));
}

async function makeFinding(
  group: readonly Located[],
  fingerprints: Fingerprints,
  commits: Awaited<ReturnType<CommitsOf>> | undefined,
): Promise<readonly SecretFinding[]> {
  const [first] = group;
  if (!first) return [];
  const { rule } = first.rule;
  const fingerprint = await fingerprints.of(first.value);
  // Where a line says why, the others count; where each does, the finding is an allowed one.
  const open = group.filter(({ allowed }) => allowed === undefined);
  const counted = open.length > 0 ? open : group;
  const inHistory = commits !== undefined;
  return [
    {
      kind: 'secret',
      key: `secret:${rule.id}:${fingerprint}`,
      severity: counted.map(({ severity }) => severity).reduce(worse),
      title: first.title,
      fix: inHistory ? `${rule.fix} It is in the history: taking it out of the newest commit takes it out of no clone.` : rule.fix,
      places: counted.slice(0, mostPlaces).map((each) => placeOf(each, commits)),
      rule: rule.id,
      length: Buffer.from(first.value, 'latin1').toString('utf8').length,
      fingerprint,
      validity: first.validity,
      ...(open.length === 0 && first.allowed !== undefined ? { allowed: first.allowed } : {}),
    },
  ];
}

function placeOf({ path, line, column, blob }: Located, commits: Awaited<ReturnType<CommitsOf>> | undefined): Place {
  const brought = blob === undefined ? undefined : commits?.get(blob);
  return {
    path,
    line,
    column,
    ...(brought && brought.length > 0 ? { commits: brought.slice(0, mostCommits).map(({ commit }) => commit) } : {}),
  };
}
