import { compareDigits, compareText, isDigit } from './digits.ts';
import { versionOrder } from './order.ts';

/** What a version consists of: numbers, words, and lists, which a dash or a change between digits and letters begins. */
type Item =
  | { readonly kind: 'number'; readonly digits: string }
  | { readonly kind: 'word'; readonly word: string; readonly rank: number }
  | { readonly kind: 'list'; readonly items: Item[] };

const zero: Item = { kind: 'number', digits: '0' };
/** In their order; the empty one is the release itself; any other word comes after them. */
const qualifiers = ['alpha', 'beta', 'milestone', 'rc', 'snapshot', '', 'sp'];
const release = qualifiers.indexOf('');
const otherWords: Readonly<Record<string, string>> = { ga: '', final: '', release: '', cr: 'rc' };
/** Only before a number: `1.0-a1` is `1.0-alpha1`. */
const shortWords: Readonly<Record<string, string>> = { a: 'alpha', b: 'beta', m: 'milestone' };

function wordItem(text: string, beforeNumber: boolean): Item {
  const long = beforeNumber ? (shortWords[text] ?? text) : text;
  const word = Object.hasOwn(otherWords, long) ? (otherWords[long] ?? '') : long;
  const at = qualifiers.indexOf(word);
  return { kind: 'word', word, rank: at === -1 ? qualifiers.length : at };
}

/** ComparableVersion of Maven 3.9 (maven.apache.org/pom.html, "Version Order Specification"). Every text is a version. */
function parse(text: string): Item {
  const version = text.trim().toLowerCase();
  const lists: Item[][] = [[]];
  let list = lists[0] ?? [];
  const deeper = () => {
    const items: Item[] = [];
    list.push({ kind: 'list', items });
    lists.push(items);
    list = items;
  };
  let digits = false;
  let from = 0;
  const item = (to: number): Item => {
    const part = version.slice(from, to);
    return part === '' ? zero : digits ? { kind: 'number', digits: part } : wordItem(part, false);
  };
  for (let at = 0; at < version.length; at++) {
    const unit = version.charCodeAt(at);
    if (unit === 46 || unit === 45) {
      list.push(item(at));
      from = at + 1;
      if (unit === 45) deeper();
    } else if (isDigit(unit)) {
      if (!digits && at > from) {
        if (list.length > 0) deeper();
        list.push(wordItem(version.slice(from, at), true));
        from = at;
        deeper();
      }
      digits = true;
    } else {
      if (digits && at > from) {
        list.push(item(at));
        from = at;
        deeper();
      }
      digits = false;
    }
  }
  if (version.length > from) {
    // `.x` is `-x`.
    if (!digits && list.length > 0) deeper();
    list.push(item(version.length));
  }
  for (const items of lists.toReversed()) normalize(items);
  return { kind: 'list', items: lists[0] ?? [] };
}

/** Takes away what changes nothing: zeros and words for "release", from the end to the first thing that is none and no list. */
function normalize(items: Item[]): void {
  for (let at = items.length - 1; at >= 0; at--) {
    const each = items[at];
    if (each === undefined) return;
    if (isNothing(each)) items.splice(at, 1);
    else if (each.kind !== 'list') return;
  }
}

function isNothing(each: Item): boolean {
  switch (each.kind) {
    case 'number':
      return /^0*$/.test(each.digits);
    case 'word':
      return each.rank === release;
    case 'list':
      return each.items.length === 0;
  }
}

function compareWithNothing(each: Item): number {
  switch (each.kind) {
    case 'number':
      return isNothing(each) ? 0 : 1;
    case 'word':
      return each.rank - release;
    case 'list':
      for (const inner of each.items) {
        const sign = compareWithNothing(inner);
        if (sign !== 0) return sign;
      }
      return 0;
  }
}

/** Where the kinds differ. */
const order = { word: 0, list: 1, number: 2 } as const;

function compare(a: Item, b: Item): number {
  if (a.kind === 'number' && b.kind === 'number') return compareDigits(a.digits, b.digits);
  if (a.kind === 'word' && b.kind === 'word') return a.rank - b.rank || compareText(a.word, b.word);
  if (a.kind !== 'list' || b.kind !== 'list') return order[a.kind] - order[b.kind];
  for (let at = 0; at < Math.max(a.items.length, b.items.length); at++) {
    const x = a.items[at];
    const y = b.items[at];
    const sign = x === undefined ? (y === undefined ? 0 : -compareWithNothing(y)) : y === undefined ? compareWithNothing(x) : compare(x, y);
    if (sign !== 0) return sign;
  }
  return 0;
}

export const mavenOrder = versionOrder('Maven', parse, compare);
