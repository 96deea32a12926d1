/**
 * The line of a quoted key, for places: the first one after `from` that stands as a key of JSON. Names are found as they are written, so one with an
 * escape has no line.
 */
export class KeyLines {
  readonly #text: string;
  readonly #breaks: number[] = [];

  constructor(text: string) {
    this.#text = text;
    for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) this.#breaks.push(at);
  }

  lineOf(key: string): number | undefined {
    const at = this.#text.indexOf(`${JSON.stringify(key)}:`);
    return at === -1 ? undefined : this.lineAt(at);
  }

  /** From 1. */
  lineAt(offset: number): number {
    let low = 0;
    let high = this.#breaks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#breaks[middle] ?? 0) < offset) low = middle + 1;
      else high = middle;
    }
    return low + 1;
  }
}
