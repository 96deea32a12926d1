import { compareDigits, compareText } from './digits.ts';
import { versionOrder } from './order.ts';

/** Gem::Version::VERSION_PATTERN, anchored. */
const pattern = /^\s*\d+(?:\.[0-9a-zA-Z]+)*(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?\s*$/;
const isNumber = (segment: string) => /^\d/.test(segment);

/** Segments, without the zeros before the first word and at the end. */
function parse(text: string): readonly string[] | undefined {
  if (!pattern.test(text)) return undefined;
  const segments = text.replaceAll('-', '.pre.').match(/\d+|[a-z]+/gi) ?? [];
  const word = segments.findIndex((segment) => !isNumber(segment));
  const cut = word === -1 ? segments.length : word;
  return [...withoutZeros(segments.slice(0, cut)), ...withoutZeros(segments.slice(cut))];
}

function withoutZeros(segments: string[]): string[] {
  while (/^0+$/.test(segments.at(-1) ?? '')) segments.pop();
  return segments;
}

function compare(a: readonly string[], b: readonly string[]): number {
  const length = Math.max(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const x = a[at] ?? '0';
    const y = b[at] ?? '0';
    const number = isNumber(x);
    if (number !== isNumber(y)) return number ? 1 : -1;
    const sign = number ? compareDigits(x, y) : compareText(x, y);
    if (sign !== 0) return sign;
  }
  return 0;
}

/** RubyGems' (Gem::Version): a word makes a pre-release. */
export const gemOrder = versionOrder('RubyGems', parse, compare);
