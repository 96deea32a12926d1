import { stripVTControlCharacters, styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Paints only when asked to; what comes from outside is stripped of control characters first. */
export type Paint = (style: Style, text: string) => string;

export function painter(colour: boolean): Paint {
  return (style, text) => (colour ? styleText(style, text, { validateStream: false }) : text);
}

/** What moves the cursor or turns the direction of writing: a line could show something else than it says. */
const unsafe = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Text of other people's making, safe to print: no escape sequences, no control characters but tab and newline, no turning of the direction.
 * Further lines are indented, so that none can pass for a line of ours.
 */
export function plain(text: string): string {
  return stripVTControlCharacters(text).replace(unsafe, '\uFFFD').replaceAll('\n', '\n      ');
}

/** The same in one line, for names: a file may be called whatever its maker likes, with ends of lines in it. */
export function plainName(text: string): string {
  return plain(text.replaceAll('\n', '\\n').replaceAll('\t', '\\t'));
}

/** JSON that shows nothing on a terminal but itself: JSON leaves most of what moves the cursor as it is. The value stays the same. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value, null, 2).replaceAll(
    /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const marks: Readonly<Record<string, readonly [string, Style]>> = {
  passed: ['✔', 'green'],
  reused: ['↺', 'green'],
  failed: ['✘', 'red'],
  running: ['▶', 'cyan'],
  waiting: ['·', 'gray'],
  skipped: ['–', 'gray'],
  cancelled: ['⊘', 'yellow'],
  interrupted: ['!', 'yellow'],
  open: ['○', 'cyan'],
  merged: ['●', 'green'],
  abandoned: ['⊘', 'gray'],
  requested: ['○', 'cyan'],
  approved: ['●', 'cyan'],
  imported: ['✔', 'green'],
  rejected: ['✘', 'red'],
  allow: ['✔', 'green'],
  warn: ['!', 'yellow'],
  deny: ['✘', 'red'],
};

/** A sign and the word, coloured by what it means. */
export function badge(paint: Paint, word: string): string {
  const [mark, style] = marks[word] ?? ['?', 'gray'];
  return paint(style, `${mark} ${word}`);
}

/** Columns, left-aligned, two spaces apart; the width of a cell is counted without colour. */
export function table(paint: Paint, header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const width = (text: string) => stripVTControlCharacters(text).length;
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => width(row[column] ?? ''))));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - width(cell))))
      .join('  ')
      .trimEnd();
  return [paint('dim', line(header)), ...rows.map(line)];
}

/** `3 s`, `2 min 5 s`, from two ISO times. */
export function lasted(from: string | undefined, to: string | undefined): string {
  if (from === undefined || to === undefined) return '';
  const seconds = (Date.parse(to) - Date.parse(from)) / 1000;
  return seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}
