/** One thing that is wrong with, or doubtful about, a pipeline file, at its place. */
export type Problem = {
  readonly severity: 'error' | 'warning';
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in characters (code points). */
  readonly column: number;
  /** The column behind the last character, when the place is wider than nothing and ends on the same line. */
  readonly endColumn?: number;
  /** Where in the document: `stages[0].steps[1].run`; empty for the document itself. */
  readonly path: string;
  readonly message: string;
  /** What would have been right, in words. */
  readonly expected?: string;
  /** The nearest valid spelling: text that can replace what is written. */
  readonly suggestion?: string;
};

/** Keys and indexes that lead to a value. */
export type Path = readonly (string | number)[];

/** `['stages', 0, 'name']` → `stages[0].name`. */
export function pathText(path: Path): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[\w-]+$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part.slice(0, 60))}]`;
  }
  return text;
}

/** A value as a message shows it: short, on one line, quoted when it is text. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value !== 'string') return `${typeof value === 'boolean' ? '' : 'the number '}${String(value)}`;
  const short = Array.from(value.slice(0, 120)).slice(0, 50).join('');
  return JSON.stringify(short.length < value.length ? `${short}…` : short);
}
