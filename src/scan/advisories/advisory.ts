import { eventLetters, judgeVersion, boundVersion, sortEvents, type Affected, type AffectedRange } from './affected.ts';
import { releaseOf, splitEcosystem, type Ecosystem } from './ecosystems.ts';
import type { OsvAffected, OsvRecord, OsvSeverity } from './osv-record.ts';
import { semverOrder } from './versions/semver.ts';

/** What the index keeps of an advisory for people; which versions it is about stands beside each package. */
export type Advisory = {
  readonly id: string;
  /** Other names of the same thing. */
  readonly aliases: readonly string[];
  /** What it passes on: for a notice of a distribution, the vulnerabilities that it is about. */
  readonly upstream: readonly string[];
  readonly title: string;
  readonly vectors: readonly string[];
  /** How bad its database calls it, in its own word. */
  readonly rating?: string;
  readonly url?: string;
};

export type AffectedPackage = {
  /** Normalised release and name: see `packageKey`. */
  readonly key: string;
  readonly release: string;
  readonly affected: Affected;
};

const longestTitle = 200;

export function packageKey(release: string, name: string): string {
  return `${release}\u0000${name}`;
}

export function advisoryOf(record: OsvRecord): Advisory {
  const rating = ratingOf(record.database_specific?.severity, record.severity);
  const url = record.references.find(({ type, url: at }) => type === 'ADVISORY' && isLink(at))?.url;
  return {
    id: record.id,
    aliases: [...new Set(record.aliases)].filter((alias) => alias !== record.id),
    upstream: [...new Set(record.upstream)].filter((id) => id !== record.id),
    title: titleOf(record),
    vectors: vectorsOf(record.severity),
    ...(rating === undefined ? {} : { rating }),
    ...(url === undefined ? {} : { url }),
  };
}

const isLink = (text: string) => text.length <= 500 && /^https:\/\/[^\s"'<>]+$/.test(text);

function titleOf({ summary, details }: OsvRecord): string {
  const text = summary?.trim() || details?.slice(0, 2_000).trim() || '';
  const [first = ''] = text.replaceAll(/^#+\s*/g, '').split(/\r?\n/);
  return first.length > longestTitle ? `${first.slice(0, longestTitle - 1)}…` : first;
}

const vectorsOf = (severities: readonly OsvSeverity[]) =>
  [...new Set(severities.filter(({ type }) => type.startsWith('CVSS_')).map(({ score }) => score))].filter(
    (vector) => vector.length <= 300,
  );

/** The words of GitHub (`database_specific.severity`), of Ubuntu and others (`severity` of a type that is no CVSS). */
function ratingOf(word: unknown, severities: readonly OsvSeverity[]): string | undefined {
  const said = typeof word === 'string' ? word : severities.find(({ type }) => !type.startsWith('CVSS_'))?.score;
  return said === undefined || said.length > 50 ? undefined : said.toLowerCase();
}

/** What a record says about packages of one ecosystem, one entry for each that it names. */
export function packagesOf(record: OsvRecord, ecosystem: Ecosystem): readonly AffectedPackage[] {
  return record.affected.flatMap((entry) => {
    if (!entry.package) return [];
    const { base, suffix } = splitEcosystem(entry.package.ecosystem);
    if (base !== ecosystem.name) return [];
    const release = releaseOf(ecosystem, suffix);
    return [{ key: packageKey(release, ecosystem.nameOf(entry.package.name)), release, affected: affectedOf(entry, ecosystem) }];
  });
}

/** GIT ranges are about commits of a repository, not about versions of a package: they are left out. */
function affectedOf(entry: OsvAffected, { order }: Ecosystem): Affected {
  const ranges = entry.ranges.flatMap(({ type, events }): AffectedRange[] => {
    if (type !== 'SEMVER' && type !== 'ECOSYSTEM') return [];
    const told = events.flatMap((event) =>
      Object.entries(eventLetters).flatMap(([kind, letter]) => {
        const version = event[kind as keyof typeof eventLetters];
        return version === undefined ? [] : [`${letter}${version}`];
      }),
    );
    return type === 'SEMVER' ? [['S', ...sortEvents(semverOrder, told)]] : [['E', ...sortEvents(order, told)]];
  });
  const ranged: Affected = ranges.length > 0 ? { r: ranges } : {};
  // Exports list each version besides its ranges, tens of thousands for a kernel: what the ranges say anyway is not kept twice.
  const listed =
    ranges.length === 0
      ? entry.versions
      : entry.versions.filter((version) => judgeVersion(boundVersion(order, version), ranged) !== 'affected');
  const vectors = vectorsOf(entry.severity);
  const { severity, urgency } = entry.ecosystem_specific ?? {};
  const word = ratingOf(severity ?? urgency ?? entry.database_specific?.severity, entry.severity);
  return {
    ...ranged,
    ...(listed.length > 0 ? { v: listed } : {}),
    ...(vectors.length > 0 ? { s: vectors } : {}),
    ...(word === undefined ? {} : { w: word }),
  };
}
