import { compareDigits, isDigit, isLetter } from './digits.ts';
import { versionOrder } from './order.ts';

type Debian = { readonly epoch: string; readonly upstream: string; readonly revision: string };

/** deb-version(7): `[epoch:]upstream[-revision]`. */
function parse(text: string): Debian | undefined {
  const found = /^(?:(\d+):)?([\w.+~:-]+)$/.exec(text.trim());
  if (!found) return undefined;
  const [, epoch = '', rest = ''] = found;
  const dash = rest.lastIndexOf('-');
  return dash === -1 ? { epoch, upstream: rest, revision: '' } : { epoch, upstream: rest.slice(0, dash), revision: rest.slice(dash + 1) };
}

/** deb-version(7), "Sorting algorithm": `~` before the end, the end before letters, letters before all else. */
function weight(unit: number): number {
  if (Number.isNaN(unit) || isDigit(unit)) return 0;
  if (unit === 126) return -1;
  return isLetter(unit) ? unit : unit + 256;
}

/** Runs of other characters and runs of digits in turn. */
export function compareRuns(a: string, b: string): number {
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    while ((i < a.length && !isDigit(a.charCodeAt(i))) || (j < b.length && !isDigit(b.charCodeAt(j)))) {
      const sign = weight(a.charCodeAt(i)) - weight(b.charCodeAt(j));
      if (sign !== 0) return sign;
      i++;
      j++;
    }
    const x = i;
    const y = j;
    while (isDigit(a.charCodeAt(i))) i++;
    while (isDigit(b.charCodeAt(j))) j++;
    const sign = compareDigits(a.slice(x, i), b.slice(y, j));
    if (sign !== 0) return sign;
  }
  return 0;
}

/** Debian's and Ubuntu's, as `dpkg --compare-versions` has it. */
export const dpkgOrder = versionOrder(
  'dpkg',
  parse,
  (a, b) => compareDigits(a.epoch, b.epoch) || compareRuns(a.upstream, b.upstream) || compareRuns(a.revision, b.revision),
);

/** opam's: Debian's algorithm over the whole text, without epochs and revisions (opam manual, "Version ordering"). */
export const opamOrder = versionOrder('opam', (text) => (/^[\w.+~:-]+$/.test(text) ? text : undefined), compareRuns);
