import type { VersionOrder } from './versions/order.ts';
import { goOrder, semverOrder } from './versions/semver.ts';

/** What an advisory says about the versions of one package; short names, since there are hundreds of thousands of them. */
export type Affected = {
  /** Versions that are affected whatever the ranges say. */
  readonly v?: readonly string[];
  readonly r?: readonly AffectedRange[];
  /** CVSS vectors of this package alone. */
  readonly s?: readonly string[];
  /** The ecosystem's word for how bad it is. */
  readonly w?: string;
};

/** `[S, i1.0.0, f1.2.3]`: `S` for semantic versions, `E` for the ecosystem's; then events in their order, by their first letter. */
export type AffectedRange = readonly ['S' | 'E', ...string[]];

export const eventLetters = { introduced: 'i', fixed: 'f', last_affected: 'l', limit: 'x' } as const;
const [introduced, fixed, lastAffected, limit] = [105, 102, 108, 120];

/** `unknown`: something in it is no version, or it tells none: it cannot be said whether it is affected. */
export type Judgement = 'affected' | 'unaffected' | 'unknown';

/** How the version in question stands to others. */
type Bound = ReturnType<VersionOrder['bind']>;
export type BoundVersion = { readonly version: string; readonly ecosystem: Bound; readonly semver: Bound };

export function boundVersion(order: VersionOrder, version: string): BoundVersion {
  const ecosystem = order.bind(version);
  if (order === semverOrder || order === goOrder) return { version, ecosystem, semver: ecosystem };
  let semver: { readonly bound: Bound } | undefined;
  return {
    version,
    ecosystem,
    // Hardly ever asked for, and slow where the version is none.
    get semver() {
      semver ??= { bound: semverOrder.bind(version) };
      return semver.bound;
    },
  };
}

/** The evaluation of OSV's schema ("affected[].ranges[].events", "Evaluation"): listed, or in one of the ranges. */
export function judgeVersion(bound: BoundVersion, affected: Affected): Judgement {
  if (affected.v?.includes(bound.version)) return 'affected';
  let judgement: Judgement = affected.v === undefined && affected.r === undefined ? 'unknown' : 'unaffected';
  for (const range of affected.r ?? []) {
    const told = judgeRange(range[0] === 'S' ? bound.semver : bound.ecosystem, range);
    if (told === 'affected') return told;
    if (told === 'unknown') judgement = told;
  }
  return judgement;
}

function judgeRange(compare: Bound, range: AffectedRange): Judgement {
  if (!compare) return isEverything(range) ? 'affected' : 'unknown';
  let inside = false;
  let limits = 0;
  let within = false;
  for (let at = 1; at < range.length; at++) {
    const event = range[at] ?? '';
    const kind = event.charCodeAt(0);
    const version = event.slice(1);
    if (kind === introduced && version === '0') {
      inside = true;
      continue;
    }
    if (kind === limit && version === '*') {
      limits++;
      within = true;
      continue;
    }
    const sign = compare(version);
    if (sign === undefined) return 'unknown';
    if (kind === introduced) inside ||= sign >= 0;
    else if (kind === fixed) inside &&= sign < 0;
    else if (kind === lastAffected) inside &&= sign <= 0;
    else if (kind === limit) {
      limits++;
      within ||= sign < 0;
    }
  }
  return inside && (limits === 0 || within) ? 'affected' : 'unaffected';
}

/** From the first version on, without an end: then it does not matter what the version is. */
const isEverything = (range: AffectedRange) => range.length === 2 && range[1] === 'i0';

/**
 * Events in the order of their versions; of equal ones the one that is named first. Those that are no versions leave the order as it was given:
 * such a range is judged as unknown.
 */
export function sortEvents(order: VersionOrder, events: readonly string[]): readonly string[] {
  if (events.some((event) => !isEdge(event) && order.bind(event.slice(1)) === undefined)) return events;
  return events.toSorted((a, b) => {
    if (isEdge(a) || isEdge(b)) return Number(isStart(b)) - Number(isStart(a)) || Number(isEnd(a)) - Number(isEnd(b));
    return order.bind(a.slice(1))?.(b.slice(1)) ?? 0;
  });
}

const isStart = (event: string) => event === 'i0';
const isEnd = (event: string) => event === 'x*';
const isEdge = (event: string) => isStart(event) || isEnd(event);
