/** Numbers of lines, from 1, by what a pattern captures in them; of equal ones the first. One pass, whatever the file. */
export function linesBy(text: string, pattern: RegExp): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  eachLine(text, (line, number) => {
    const name = pattern.exec(line)?.[1];
    if (name !== undefined && !found.has(name)) found.set(name, number);
  });
  return found;
}

/** Lines without their breaks; a long one is cut off, for nothing that is looked for stands that far to the right. */
export function eachLine(text: string, visit: (line: string, number: number) => void): void {
  let number = 1;
  for (let at = 0; at <= text.length; number++) {
    const end = text.indexOf('\n', at);
    const stop = end === -1 ? text.length : end;
    const last = stop > at && text[stop - 1] === '\r' ? stop - 1 : stop;
    visit(text.slice(at, Math.min(last, at + longest)), number);
    if (end === -1) return;
    at = end + 1;
  }
}

const longest = 4_096;

/** Of `"key": {` in JSON that is written over several lines; in one line, everything is in line 1. */
export function keyLines(text: string): (key: string) => number | undefined {
  if (!text.trimEnd().includes('\n')) return () => 1;
  const lines = linesBy(text, /^\s*"([^"\\]*)"\s*:\s*\{/);
  return (key) => lines.get(key);
}

/** Of `[[package]]` in TOML, in their order. */
export function tableLines(text: string, header: string): readonly number[] {
  const found: number[] = [];
  eachLine(text, (line, number) => {
    if (line.startsWith(header)) found.push(number);
  });
  return found;
}

/** A place with a line, where there is one. */
export function placeOf(path: string, line: number | undefined): { readonly path: string; readonly line?: number } {
  return line === undefined ? { path } : { path, line };
}
