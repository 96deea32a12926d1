import { compareDigits, compareText, isDigit, isLetter } from './digits.ts';
import { versionOrder } from './order.ts';

type Rpm = { readonly epoch: string; readonly version: string; readonly release: string };

/** rpm-version(7): `[epoch:]version[-release]`. */
function parse(text: string): Rpm | undefined {
  const found = /^(?:(\d+):)?([^\s:-]+)(?:-([^\s:-]+))?$/.exec(text.trim());
  return found ? { epoch: found[1] ?? '', version: found[2] ?? '', release: found[3] ?? '' } : undefined;
}

const tilde = 126;
const caret = 94;
const counts = (unit: number) => isDigit(unit) || isLetter(unit) || unit === tilde || unit === caret;

/** Segments of digits or of letters; `~` is before everything, even the end; `^` after the end, before all else. */
function compareSegments(a: string, b: string): number {
  if (a === b) return 0;
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    while (i < a.length && !counts(a.charCodeAt(i))) i++;
    while (j < b.length && !counts(b.charCodeAt(j))) j++;
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(j);
    if (x === tilde || y === tilde) {
      if (x !== tilde) return 1;
      if (y !== tilde) return -1;
      i++;
      j++;
      continue;
    }
    if (x === caret || y === caret) {
      if (i >= a.length) return -1;
      if (j >= b.length) return 1;
      if (x !== caret) return 1;
      if (y !== caret) return -1;
      i++;
      j++;
      continue;
    }
    if (i >= a.length || j >= b.length) break;
    const kind = isDigit(x) ? isDigit : isLetter;
    const fromA = i;
    const fromB = j;
    while (kind(a.charCodeAt(i))) i++;
    while (kind(b.charCodeAt(j))) j++;
    // Numbers are after words.
    if (j === fromB) return kind === isDigit ? 1 : -1;
    const one = a.slice(fromA, i);
    const other = b.slice(fromB, j);
    const sign = kind === isDigit ? compareDigits(one, other) : compareText(one, other);
    if (sign !== 0) return sign;
  }
  return Number(i < a.length) - Number(j < b.length);
}

/** rpm's (rpm-version(7)): epoch, version, release. One without a release is before those that have one. */
export const rpmOrder = versionOrder(
  'rpm',
  parse,
  (a, b) => compareDigits(a.epoch, b.epoch) || compareSegments(a.version, b.version) || compareSegments(a.release, b.release),
);
