import { compareDigits, compareLists, compareText } from './digits.ts';
import { versionOrder } from './order.ts';

type NuGet = { readonly numbers: readonly string[]; readonly labels: readonly string[] | undefined };

const pattern = /^\s*v?(\d+(?:\.\d+){0,3})(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]*)?\s*$/;

function parse(text: string): NuGet | undefined {
  const found = pattern.exec(text);
  if (!found) return undefined;
  const numbers = (found[1] ?? '').split('.');
  while (numbers.length < 4) numbers.push('0');
  return { numbers, labels: found[2]?.toLowerCase().split('.') };
}

function compareLabel(a: string, b: string): number {
  const x = /^\d+$/.test(a);
  const y = /^\d+$/.test(b);
  return x && y ? compareDigits(a, b) : x === y ? compareText(a, b) : x ? -1 : 1;
}

/** NuGet's (learn.microsoft.com/nuget/concepts/package-versioning): up to four numbers, labels without regard to case, no metadata. */
export const nugetOrder = versionOrder('NuGet', parse, (a, b) => {
  const sign = compareLists(a.numbers, b.numbers, compareDigits);
  if (sign !== 0) return sign;
  if (a.labels === undefined || b.labels === undefined) return Number(b.labels !== undefined) - Number(a.labels !== undefined);
  return compareLists(a.labels, b.labels, compareLabel);
});
