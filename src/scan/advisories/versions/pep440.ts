import { compareDigits, compareLists, compareText } from './digits.ts';
import { versionOrder } from './order.ts';

/** PEP 440, Appendix B, after lower-casing. */
const pattern =
  /^\s*v?(?:(\d+)!)?(\d+(?:\.\d+)*)(?:[-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?(\d*))?(?:-(\d+)|[-_.]?(post|rev|r)[-_.]?(\d*))?(?:[-_.]?(dev)[-_.]?(\d*))?(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?\s*$/;

type Pep440 = {
  readonly epoch: string;
  /** Without zeros at the end. */
  readonly release: readonly string[];
  /** -1 for a development release of a final one, which comes before its alphas; 3 for a final one. */
  readonly phase: number;
  readonly pre: string;
  readonly post: string | undefined;
  readonly dev: string | undefined;
  readonly local: readonly string[] | undefined;
};

const phases: Readonly<Record<string, number>> = { a: 0, alpha: 0, b: 1, beta: 1, c: 2, rc: 2, pre: 2, preview: 2 };

function parse(text: string): Pep440 | undefined {
  const found = pattern.exec(text.toLowerCase());
  if (!found) return undefined;
  const [, epoch = '', release = '', phase, pre = '', implicit, postWord, post = '', devWord, dev = '', local] = found;
  const after = implicit ?? (postWord === undefined ? undefined : post);
  const parts = release.split('.');
  while (parts.length > 1 && /^0+$/.test(parts.at(-1) ?? '')) parts.pop();
  return {
    epoch,
    release: parts,
    phase: phase !== undefined ? (phases[phase] ?? 3) : after === undefined && devWord !== undefined ? -1 : 3,
    pre,
    post: after,
    dev: devWord === undefined ? undefined : dev,
    local: local?.split(/[-_.]/),
  };
}

function compare(a: Pep440, b: Pep440): number {
  return (
    compareDigits(a.epoch, b.epoch) ||
    compareLists(a.release, b.release, compareDigits) ||
    a.phase - b.phase ||
    compareDigits(a.pre, b.pre) ||
    absentIs(-1, a.post, b.post, compareDigits) ||
    absentIs(1, a.dev, b.dev, compareDigits) ||
    absentIs(-1, a.local, b.local, (x, y) => compareLists(x, y, compareLocal))
  );
}

function absentIs<Part>(sign: number, a: Part | undefined, b: Part | undefined, compareParts: (a: Part, b: Part) => number): number {
  if (a === undefined) return b === undefined ? 0 : sign;
  return b === undefined ? -sign : compareParts(a, b);
}

/** "Local version identifiers": numbers are after words. */
function compareLocal(a: string, b: string): number {
  const x = /^\d+$/.test(a);
  const y = /^\d+$/.test(b);
  return x && y ? compareDigits(a, b) : x === y ? compareText(a, b) : x ? 1 : -1;
}

/** Python's (packaging.python.org/specifications/version-specifiers). */
export const pep440Order = versionOrder('PEP 440', parse, compare);
