/**
 * Finds all keywords in one pass over bytes, without regard to the case of ASCII letters: Aho and Corasick's automaton ("Efficient string matching", 1975),
 * unfolded to a table of transitions, two array reads a byte.
 */
export type Automaton = {
  /** Calls `onHit(keyword, end)` for each occurrence, ordered by its end (exclusive). */
  search(bytes: Uint8Array, onHit: (keyword: number, end: number) => void): void;
};

export function makeAutomaton(keywords: readonly string[]): Automaton {
  const classes = classesOf(keywords);
  const width = classes.count;
  const { next, outputs } = buildTrie(keywords, classes);
  const order = breadthFirst(next, outputs, width);
  // States with an output come last, so that one comparison tells them; states are premultiplied by the width.
  const ranked = [
    ...order.filter((state) => (outputs[state] ?? []).length === 0),
    ...order.filter((state) => (outputs[state] ?? []).length > 0),
  ];
  const place = new Int32Array(ranked.length);
  for (const [index, state] of ranked.entries()) place[state] = index;
  const table = new Int32Array(ranked.length * width);
  for (const [index, state] of ranked.entries())
    for (let symbol = 0; symbol < width; symbol++) table[index * width + symbol] = (place[next[state]?.[symbol] ?? 0] ?? 0) * width;
  const firstOutput = ranked.findIndex((state) => (outputs[state] ?? []).length > 0) * width;
  const start = (place[0] ?? 0) * width;
  const found = ranked.map((state) => outputs[state] ?? []);
  const symbols = classes.of;
  if (keywords.length === 0) return { search() {} };
  return {
    search(bytes, onHit) {
      let state = start;
      const { length } = bytes;
      for (let index = 0; index < length; index++) {
        state = table[state + (symbols[bytes[index] as number] as number)] as number;
        if (state >= firstOutput) for (const keyword of found[state / width] as readonly number[]) onHit(keyword, index + 1);
      }
    },
  };
}

type Classes = { readonly of: Uint8Array; readonly count: number };

/** Bytes that no keyword has are one class: the table stays small enough for the processor's caches. */
function classesOf(keywords: readonly string[]): Classes {
  const of = new Uint8Array(256);
  let count = 1;
  for (const keyword of keywords)
    for (const byte of Buffer.from(keyword, 'latin1')) {
      const lower = byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte;
      if (of[lower] !== 0) continue;
      of[lower] = count;
      if (lower >= 0x61 && lower <= 0x7a) of[lower - 32] = count;
      count++;
    }
  return { of, count };
}

function buildTrie(keywords: readonly string[], classes: Classes): { next: (number | undefined)[][]; outputs: number[][] } {
  const next: (number | undefined)[][] = [[]];
  const outputs: number[][] = [[]];
  for (const [number, keyword] of keywords.entries()) {
    let state = 0;
    for (const byte of Buffer.from(keyword, 'latin1')) {
      const symbol = classes.of[byte] ?? 0;
      const row = next[state] ?? [];
      let to = row[symbol];
      if (to === undefined) {
        to = next.length;
        next.push([]);
        outputs.push([]);
        row[symbol] = to;
      }
      state = to;
    }
    outputs[state]?.push(number);
  }
  return { next, outputs };
}

/** Fills in where each state goes on what it has no branch for: where its longest suffix goes. */
function breadthFirst(next: (number | undefined)[][], outputs: number[][], width: number): number[] {
  const fail = new Int32Array(next.length);
  const order = [0];
  for (let head = 0; head < order.length; head++) {
    const state = order[head] ?? 0;
    const row = next[state] ?? [];
    const suffix = fail[state] ?? 0;
    outputs[state]?.push(...(state === 0 ? [] : (outputs[suffix] ?? [])));
    for (let symbol = 0; symbol < width; symbol++) {
      const to = row[symbol];
      const other = state === 0 ? 0 : (next[suffix]?.[symbol] ?? 0);
      if (to === undefined) row[symbol] = other;
      else {
        fail[to] = other;
        order.push(to);
      }
    }
  }
  return order;
}
