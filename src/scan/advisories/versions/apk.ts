import { compareDigits, compareLists, compareText } from './digits.ts';
import { versionOrder } from './order.ts';

/** In the order in which apk compares kinds of parts: where one version ends or goes on differently, the earlier kind is greater. */
const kinds = { first: 0, number: 1, letter: 2, suffix: 3, suffixNumber: 4, commit: 5, revision: 6, end: 7 } as const;
type Part = { readonly kind: number; readonly text: string };

/** Those before `none` come before the version without a suffix. */
const suffixes = ['alpha', 'beta', 'pre', 'rc', 'none', 'cvs', 'svn', 'git', 'hg', 'p'];
const none = suffixes.indexOf('none');

/** apk-package(5): `digit{.digit}…{letter}{_suffix{number}}…{~hash}{-r#}`. */
const pattern = /^(\d+)((?:\.\d+)*)([a-z]?)((?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)\d*)*)(?:~([0-9a-f]+))?(?:-r(\d+))?$/;

function parse(text: string): readonly Part[] | undefined {
  const found = pattern.exec(text.trim());
  if (!found) return undefined;
  const [, first = '', numbers = '', letter = '', tail = '', commit, revision] = found;
  const parts: Part[] = [{ kind: kinds.first, text: first }];
  for (const number of numbers.split('.').slice(1)) parts.push({ kind: kinds.number, text: number });
  if (letter !== '') parts.push({ kind: kinds.letter, text: letter });
  for (const [, suffix = '', number = ''] of tail.matchAll(/_([a-z]+)(\d*)/g)) {
    parts.push({ kind: kinds.suffix, text: suffix });
    if (number !== '') parts.push({ kind: kinds.suffixNumber, text: number });
  }
  if (commit !== undefined) parts.push({ kind: kinds.commit, text: commit });
  if (revision !== undefined) parts.push({ kind: kinds.revision, text: revision });
  parts.push({ kind: kinds.end, text: '' });
  return parts;
}

const isPreRelease = (part: Part) => part.kind === kinds.suffix && suffixes.indexOf(part.text) < none;

function comparePart(a: Part, b: Part): number {
  if (a.kind !== b.kind) return isPreRelease(a) ? -1 : isPreRelease(b) ? 1 : b.kind - a.kind;
  switch (a.kind) {
    case kinds.number:
      // With a zero in front it is a fraction, as in Gentoo's versions: 1.01 is before 1.1.
      return a.text.startsWith('0') || b.text.startsWith('0') ? compareText(a.text, b.text) : compareDigits(a.text, b.text);
    case kinds.suffix:
      return suffixes.indexOf(a.text) - suffixes.indexOf(b.text);
    case kinds.letter:
    case kinds.commit:
      return compareText(a.text, b.text);
    default:
      return compareDigits(a.text, b.text);
  }
}

/** Alpine's, as `apk version -t` of apk-tools 2 and 3 has it. */
export const apkOrder = versionOrder('apk', parse, (a, b) => compareLists(a, b, comparePart));
