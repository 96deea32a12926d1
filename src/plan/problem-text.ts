import { displayWidth } from './display-width.ts';
import { withoutMark } from './parse.ts';
import type { Problem } from './problem.ts';

/** Characters of a source line that are shown at most. */
const shownLine = 160;
const lead = 60;

/**
 * A problem as compilers print it, without a line break at the end:
 *
 *     waybill.yaml:12:5: error: unknown field "stepps"
 *      12 |     stepps:
 *         |     ^^^^^^ did you mean "steps"?
 *
 * `source` is the text that was parsed. Control characters of the file never reach the terminal.
 */
export function problemText(problem: Problem, source: string, colour = false): string {
  const paint = colour ? painted : plain;
  const head = `${paint.bold(`${harmless(problem.file)}:${problem.line}:${problem.column}:`)} ${paint[problem.severity](`${problem.severity}:`)} ${paint.bold(harmless(problem.message))}`;
  const { text, start, end } = excerpt(
    lineOf(withoutMark(source), problem.line),
    problem.column - 1,
    (problem.endColumn ?? problem.column + 1) - 1,
  );
  const gutter = ` ${problem.line} |`;
  const empty = `${' '.repeat(gutter.length - 1)}|`;
  const pad = [...text]
    .slice(0, start)
    .map((character) => (character === '\t' ? '\t' : ' '.repeat(displayWidth(character))))
    .join('');
  const carets = '^'.repeat(Math.max(1, displayWidth([...text].slice(start, end).join(''))));
  const hint = problem.suggestion === undefined ? '' : ` did you mean ${quoted(harmless(problem.suggestion))}?`;
  const rows = [
    head,
    paint.faint(gutter) + (text === '' ? '' : ` ${text}`),
    `${paint.faint(empty)} ${pad}${paint[problem.severity](carets + hint)}`,
  ];
  // When the message itself says what was expected, a second time helps nobody.
  if (problem.expected !== undefined && !problem.message.includes(problem.expected))
    rows.push(`${paint.faint(`${empty.slice(0, -1)}=`)} expected: ${harmless(problem.expected)}`);
  return rows.join('\n');
}

/** All of them, a blank line between two. */
export function problemsText(problems: readonly Problem[], source: string, colour = false): string {
  return problems.map((problem) => problemText(problem, source, colour)).join('\n\n');
}

function lineOf(source: string, line: number): string {
  let start = 0;
  for (let count = 1; count < line; count++) {
    const next = source.indexOf('\n', start);
    if (next === -1) return '';
    start = next + 1;
  }
  const end = source.indexOf('\n', start);
  return source.slice(start, end === -1 ? source.length : end).replace(/\r$/, '');
}

/** The part of a long line around its place; `start` and `end` count code points of `text`. */
function excerpt(line: string, start: number, end: number): { text: string; start: number; end: number } {
  const characters = [...line];
  if (characters.length <= shownLine) return { text: harmless(line), start, end: Math.min(end, characters.length) };
  const from = Math.max(0, Math.min(start - lead, characters.length - shownLine));
  const cut = characters.slice(from, from + shownLine);
  const before = from > 0 ? '…' : '';
  const text = before + harmless(cut.join('')) + (from + shownLine < characters.length ? '…' : '');
  const moved = start - from + before.length;
  return { text, start: moved, end: Math.min(moved + end - start, [...text].length) };
}

/** Control and direction-changing characters become `�`; tabs stay. */
function harmless(text: string): string {
  return text.replaceAll(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '�');
}

function quoted(suggestion: string): string {
  return /^[\w./-]+$/.test(suggestion) ? `"${suggestion}"` : suggestion;
}

const plain = { bold: String, faint: String, error: String, warning: String };
const ansi = (code: number) => (text: string) => `\u001b[${code}m${text}\u001b[0m`;
const painted = { bold: ansi(1), faint: ansi(2), error: ansi(31), warning: ansi(33) };
