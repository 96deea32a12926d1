/** Shannon's entropy of a text, in bits a character: 0 for `aaaa`, about 5.9 for long random base64. */
export function entropy(text: string): number {
  if (text.length === 0) return 0;
  const counts = new Map<number, number>();
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  let sum = 0;
  for (const count of counts.values()) sum -= (count / text.length) * Math.log2(count / text.length);
  return sum;
}

/**
 * How often the class of characters (upper, lower, digit, other) changes from one to the next, 0 to 1; a capital before a small letter is none, for `camelCase`.
 * Words and names change rarely, what a machine drew changes all the time.
 */
export function restlessness(text: string): number {
  if (text.length < 2) return 0;
  let changes = 0;
  for (let index = 1; index < text.length; index++) {
    const before = classOf(text.charCodeAt(index - 1));
    const here = classOf(text.charCodeAt(index));
    if (before === here || (before === 'upper' && here === 'lower') || before === 'other' || here === 'other') continue;
    changes++;
  }
  return changes / (text.length - 1);
}

function classOf(code: number): 'digit' | 'upper' | 'lower' | 'other' {
  if (code >= 48 && code <= 57) return 'digit';
  if (code >= 65 && code <= 90) return 'upper';
  if (code >= 97 && code <= 122) return 'lower';
  return 'other';
}
