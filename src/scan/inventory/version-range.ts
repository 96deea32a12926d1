import { Range } from 'semver';
import { WaybillError } from '../../kernel/error.ts';
import { ecosystemOf, splitEcosystem } from '../advisories/ecosystems.ts';
import { longestVersion, type VersionOrder } from '../advisories/versions/order.ts';
import { goOrder, pubOrder, semverOrder } from '../advisories/versions/semver.ts';

/** `unknown`: one of both is no version in the ecosystem's order. */
export type Held = 'inside' | 'outside' | 'unknown';
export type VersionRange = (version: string) => Held;

const mostAlternatives = 20;
const mostComparators = 40;

/**
 * Comparators (`<`, `<=`, `>`, `>=`, `=`, `!=`) that all hold, separated by commas or blanks; alternatives by `||`. A version alone is that version. Versions are
 * ordered as the ecosystem orders them; where those are semantic versions, npm's `^1.2`, `~1.2`, `1.x` and `1.0.0 - 2.0.0` are understood, too, and a
 * pre-release is in a range when it is between its ends.
 * @throws WaybillError INVALID_INPUT
 */
export function parseRange(text: string, ecosystem: string): VersionRange {
  const { base } = splitEcosystem(ecosystem);
  const order = ecosystemOf(base)?.order;
  if (!order) throw bad(text, `the versions of ${base} have no order that is known here`);
  const semantic = order === semverOrder || order === goOrder || order === pubOrder;
  const alternatives = text.split('||').map((part) => part.trim());
  if (alternatives.length > mostAlternatives) throw bad(text, `it has more than ${mostAlternatives} alternatives`);
  const each = alternatives.map((part) =>
    semantic && /(?:^|[\s,])[\^~]|\s-\s|(?:^|[.\s,<>=v])[xX*](?:$|[.\s,])/.test(part)
      ? npmRange(part, order, text)
      : comparators(part, order, text),
  );
  return (version) => {
    const held = new Set(each.map((one) => one(version)));
    return held.has('inside') ? 'inside' : held.has('unknown') ? 'unknown' : 'outside';
  };
}

function npmRange(part: string, order: VersionOrder, text: string): VersionRange {
  let range: Range;
  try {
    range = new Range(part.replaceAll(',', ' '), { includePrerelease: true, loose: true });
  } catch (cause) {
    throw bad(text, 'it is no range of versions', cause);
  }
  return (version) => {
    if (order.bind(version) === undefined) return 'unknown';
    return range.test(version.replace(/^go(?=\d)/, '')) ? 'inside' : 'outside';
  };
}

const holds: ReadonlyMap<string, (sign: number) => boolean> = new Map([
  ['<', (sign: number) => sign < 0],
  ['<=', (sign: number) => sign <= 0],
  ['>', (sign: number) => sign > 0],
  ['>=', (sign: number) => sign >= 0],
  ['=', (sign: number) => sign === 0],
  ['==', (sign: number) => sign === 0],
  ['!=', (sign: number) => sign !== 0],
]);

function comparators(part: string, order: VersionOrder, text: string): VersionRange {
  const tokens = part
    .replaceAll(/([<>=!]+)\s+/g, '$1')
    .split(/[\s,]+/)
    .filter((token) => token !== '');
  if (tokens.length === 0 || tokens.length > mostComparators) throw bad(text, 'an alternative of it is empty or too long');
  const all = tokens.map((token) => {
    const [, operator = '', version = ''] = /^([<>=!]*)(.*)$/s.exec(token) ?? [];
    const hold = holds.get(operator === '' ? '=' : operator);
    if (!hold || /^[~^]|^$/.test(version) || version.length > longestVersion)
      throw bad(text, `${JSON.stringify(token.slice(0, 50))} is no comparison`);
    const bound = order.bind(version);
    if (!bound && operator !== '' && operator !== '=' && operator !== '==')
      throw bad(text, `${JSON.stringify(version.slice(0, 50))} is no version in the order of ${order.scheme}`);
    return { hold, version, bound };
  });
  return (version) => {
    let result: Held = 'inside';
    for (const { hold, version: end, bound } of all) {
      if (version === end) {
        if (!hold(0)) return 'outside';
        continue;
      }
      const sign = bound?.(version);
      if (sign === undefined) result = bound ? 'unknown' : 'outside';
      else if (!hold(-sign)) return 'outside';
      if (result === 'outside') return result;
    }
    return result;
  };
}

function bad(text: string, why: string, cause?: unknown): WaybillError {
  return new WaybillError('INVALID_INPUT', `the range ${JSON.stringify(text.slice(0, 100))} cannot be read: ${why}`, {
    ...(cause === undefined ? {} : { cause }),
    fix: 'Write it like <4.17.21, or >=4,<4.2.1; for npm also ^4.17.',
  });
}
