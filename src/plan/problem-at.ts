import { placeOf, problemFrom, type Span } from './document.ts';
import { LineIndex } from './line-index.ts';
import { withoutMark } from './parse.ts';
import type { Path, Problem } from './problem.ts';
import { readYaml } from './read-yaml.ts';

/** A problem about a value of a pipeline file that was found elsewhere than in its text: a base that is not there. */
export function problemAt(text: string, file: string, path: Path, told: { readonly message: string }): Problem {
  const source = withoutMark(text);
  const { document } = readYaml(source);
  const span: Span = document === undefined ? [0, 0] : placeOf(document.place, path).value;
  return problemFrom({ ...told, path, span }, file, new LineIndex(source));
}

/** The same in any other text, such as a Dockerfile; `span` in UTF-16 units. */
export function problemIn(text: string, file: string, span: Span, told: { readonly message: string }): Problem {
  return problemFrom({ ...told, path: [], span }, file, new LineIndex(text));
}
