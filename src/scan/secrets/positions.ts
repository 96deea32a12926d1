/** Line and column of offsets in bytes; offsets are asked in rising order, so that nothing is counted twice. */
export class Positions {
  readonly #bytes: Buffer;
  #line: number;
  #column = 1;
  #at = 0;

  /** @param firstLine number of the line in which the bytes begin */
  constructor(bytes: Buffer, firstLine = 1) {
    this.#bytes = bytes;
    this.#line = firstLine;
  }

  /** Both from 1; the column in UTF-16 units. */
  of(offset: number): { readonly line: number; readonly column: number } {
    if (offset < this.#at) throw new RangeError('positions are asked in rising order');
    const passed = this.#bytes.subarray(this.#at, offset);
    const lastEnd = passed.lastIndexOf(0x0a);
    if (lastEnd >= 0) {
      this.#line += countLines(passed);
      this.#column = 1;
    }
    this.#column += passed.toString('utf8', lastEnd + 1).length;
    this.#at = offset;
    return { line: this.#line, column: this.#column };
  }
}

/** How many lines end in these bytes. */
export function countLines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, at + 1)) count++;
  return count;
}
