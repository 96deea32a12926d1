/** Looking for ends of lines no further than a person would: a file may be one line, and is asked for them at every keyword. */

/** Where the line of `at` begins, or `at - reach` when that is nearer. */
export function lineStart(text: string, at: number, reach: number): number {
  const from = Math.max(0, at - reach);
  return from + text.slice(from, at).lastIndexOf('\n') + 1;
}

/** Where the line of `at` ends, or `at + reach`. */
export function lineEnd(text: string, at: number, reach: number): number {
  const part = text.slice(at, at + reach);
  const end = part.indexOf('\n');
  return at + (end < 0 ? part.length : end);
}
