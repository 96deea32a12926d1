import type { Path, Problem } from './problem.ts';
import { pathText } from './problem.ts';
import type { LineIndex } from './line-index.ts';

/** Half-open range of offsets into the text. */
export type Span = readonly [start: number, end: number];

/** Where a value of the document stands, and everything in it. */
export type Place = {
  readonly key?: Span;
  readonly value: Span;
  /** The text of a scalar as it is written, for "write it in quotes". */
  readonly written?: string;
  readonly children: ReadonlyMap<string | number, Place>;
};

/** The place of `path`, or of its nearest ancestor that exists. */
export function placeOf(root: Place, path: Path): Place {
  let place = root;
  for (const part of path) {
    const child = place.children.get(part);
    if (child === undefined) return place;
    place = child;
  }
  return place;
}

/** What a problem says, before it knows its file and line. */
export type Finding = Pick<Problem, 'message' | 'expected' | 'suggestion'> & {
  readonly severity?: 'warning';
  readonly path: Path;
  readonly span: Span;
};

export function problemFrom(finding: Finding, file: string, lines: LineIndex): Problem {
  const [start, end] = finding.span;
  const { line, column } = lines.at(start);
  const endColumn = lines.at(Math.min(Math.max(start, end), lines.endOfLine(start))).column;
  return {
    severity: finding.severity ?? 'error',
    file,
    line,
    column,
    ...(endColumn > column ? { endColumn } : {}),
    path: pathText(finding.path),
    message: finding.message,
    ...(finding.expected === undefined ? {} : { expected: finding.expected }),
    ...(finding.suggestion === undefined ? {} : { suggestion: finding.suggestion }),
  };
}
