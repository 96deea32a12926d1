import { compareDigits, isDigit } from './digits.ts';
import { versionOrder } from './order.ts';

const modifier = '[._-]?(?:(stable|beta|b|rc|alpha|a|patch|pl|p)((?:[.-]?\\d+)*)?)?([.-]?dev)?$';
const classical = new RegExp(`^v?(\\d{1,5})(\\.\\d+)?(\\.\\d+)?(\\.\\d+)?${modifier}`, 'i');
const dated = new RegExp(`^v?(\\d{4}(?:[.:-]?\\d{2}){1,6}(?:[.:-]?\\d{1,3}){0,2})${modifier}`, 'i');
const branch = /^v?(\d+)(\.(?:\d+|[x*]))?(\.(?:\d+|[x*]))?(\.(?:\d+|[x*]))?$/i;
const words: Readonly<Record<string, string>> = { a: 'alpha', b: 'beta', p: 'patch', pl: 'patch', rc: 'RC' };

/**
 * Composer's normal form (Composer\Semver\VersionParser): four numbers, then a word. `dev-main` and the like are names of branches: no order
 * says whether they are fixed.
 */
function normalize(text: string): string | undefined {
  const bare = text
    .trim()
    .replace(/@(?:stable|rc|beta|alpha|dev)$/i, '')
    .replace(/\+\S+$/, '');
  const [whole, major = '', minor, patch, build, ...rest] = classical.exec(bare) ?? [];
  if (whole !== undefined) return ending(`${major}${minor ?? '.0'}${patch ?? '.0'}${build ?? '.0'}`, rest);
  const [date, numbers = '', ...tail] = dated.exec(bare) ?? [];
  if (date !== undefined) return ending(numbers.replaceAll(/\D/g, '.'), tail);
  const [, name] = /^(.*?)[.-]?dev$/i.exec(bare) ?? [];
  const [isBranch, ...parts] = name === undefined ? [] : (branch.exec(name) ?? []);
  if (isBranch === undefined) return undefined;
  return `${parts.map((part) => (part ?? '.x').replace(/[x*]/i, '9999999')).join('')}-dev`;
}

function ending(numbers: string, [word, number, dev]: readonly (string | undefined)[]): string {
  const low = word?.toLowerCase();
  if (low === 'stable') return numbers;
  const name = low === undefined ? '' : `-${words[low] ?? low}${(number ?? '').replace(/^[.-]+/, '')}`;
  return `${numbers}${name}${dev === undefined ? '' : '-dev'}`;
}

/** php.net/version_compare: "any string not found in this list < dev < alpha = a < beta = b < RC = rc < # < pl = p". */
const ranks: Readonly<Record<string, number>> = { dev: 0, alpha: 1, a: 1, beta: 2, b: 2, RC: 3, rc: 3, pl: 5, p: 5 };
const numberRank = 4;

function rank(part: string): number {
  if (isDigit(part.charCodeAt(0))) return numberRank;
  const [word = ''] = /^(?:dev|alpha|a|beta|b|RC|rc|pl|p)/.exec(part) ?? [];
  return ranks[word] ?? -1;
}

const split = (version: string): readonly string[] => version.match(/\d+|[^\d.+_-]+/g) ?? [];

function compare(a: readonly string[], b: readonly string[]): number {
  for (let at = 0; at < Math.max(a.length, b.length); at++) {
    const x = a[at];
    const y = b[at];
    // One that goes on with a number is after the one that ends; with a word, it depends on the word.
    if (x === undefined) return y === undefined ? 0 : isDigit(y.charCodeAt(0)) ? -1 : numberRank - rank(y);
    if (y === undefined) return isDigit(x.charCodeAt(0)) ? 1 : rank(x) - numberRank;
    const sign = isDigit(x.charCodeAt(0)) && isDigit(y.charCodeAt(0)) ? compareDigits(x, y) : rank(x) - rank(y);
    if (sign !== 0) return sign;
  }
  return 0;
}

/** Packagist's: Composer's normal form in the order of PHP's `version_compare`. */
export const composerOrder = versionOrder(
  'Composer',
  (text) => {
    const normal = normalize(text);
    return normal === undefined ? undefined : split(normal);
  },
  compare,
);
