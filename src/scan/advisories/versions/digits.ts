/** Compares two texts of decimal digits as the numbers that they are, however long. The empty one is 0. */
export function compareDigits(a: string, b: string): number {
  if (a === b) return 0;
  const x = significant(a);
  const y = significant(b);
  return x.length === y.length ? compareText(x, y) : x.length - y.length;
}

/** By UTF-16 unit, which is by byte for ASCII. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Item by item; of two of which one begins the other, the longer is greater. */
export function compareLists<Item>(a: readonly Item[], b: readonly Item[], compare: (a: Item, b: Item) => number): number {
  const shared = Math.min(a.length, b.length);
  for (let at = 0; at < shared; at++) {
    const sign = compare(a[at] as Item, b[at] as Item);
    if (sign !== 0) return sign;
  }
  return a.length - b.length;
}

export function isDigit(unit: number): boolean {
  return unit >= 48 && unit <= 57;
}

export function isLetter(unit: number): boolean {
  return (unit >= 65 && unit <= 90) || (unit >= 97 && unit <= 122);
}

function significant(digits: string): string {
  let from = 0;
  while (digits.charCodeAt(from) === 48) from++;
  return from === 0 ? digits : digits.slice(from);
}
