export type Position = { readonly line: number; readonly column: number };

/** Turns offsets of a text into lines and columns, both from 1; columns count code points. */
export class LineIndex {
  readonly #text: string;
  readonly #starts: readonly number[];

  constructor(text: string) {
    this.#text = text;
    const starts = [0];
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
    this.#starts = starts;
  }

  at(offset: number): Position {
    const clamped = Math.max(0, Math.min(offset, this.#text.length));
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[middle] ?? 0) <= clamped) low = middle;
      else high = middle - 1;
    }
    const line = this.#text.slice(this.#starts[low] ?? 0, clamped);
    return { line: low + 1, column: codePoints(line) + 1 };
  }

  /** Offset of the end of the line that holds `offset`, without its line break. */
  endOfLine(offset: number): number {
    const end = this.#text.indexOf('\n', offset);
    const at = end === -1 ? this.#text.length : end;
    return at > offset && this.#text[at - 1] === '\r' ? at - 1 : at;
  }
}

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
