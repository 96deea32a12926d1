const newline = 0x0a;
const carriageReturn = 0x0d;

/**
 * Cuts a byte stream into lines: `\n` or `\r\n` ends one, invalid UTF-8 becomes U+FFFD, a line longer than `maxBytes` is
 * split between characters. `end` delivers a last line that has no newline.
 */
export function lineSplitter(maxBytes: number, onLine: (text: string) => void): { write(chunk: Buffer): void; end(): void } {
  let rest: Buffer = Buffer.alloc(0);

  /** Emits full pieces while `bytes` (without newline) is too long; returns what is left. */
  const splitLong = (bytes: Buffer): Buffer => {
    let left = bytes;
    while (left.length > maxBytes) {
      const cut = characterBoundary(left, maxBytes);
      onLine(left.toString('utf8', 0, cut));
      left = left.subarray(cut);
    }
    return left;
  };
  const emit = (bytes: Buffer): void => {
    const line = bytes.at(-1) === carriageReturn ? bytes.subarray(0, -1) : bytes;
    onLine(splitLong(line).toString('utf8'));
  };

  return {
    write(chunk) {
      const last = chunk.lastIndexOf(newline);
      if (last < 0) {
        // One byte more may be the `\r` of a line of exactly the limit.
        const joined = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
        rest = joined.length > maxBytes + 1 ? splitLong(joined) : joined;
        return;
      }
      let from = 0;
      if (rest.length > 0) {
        from = chunk.indexOf(newline) + 1;
        emit(Buffer.concat([rest, chunk.subarray(0, from - 1)]));
      }
      for (let at = chunk.indexOf(newline, from); at >= 0; at = chunk.indexOf(newline, from)) {
        emit(chunk.subarray(from, at));
        from = at + 1;
      }
      rest = Buffer.from(chunk.subarray(from)); // a copy: the rest of the chunk need not be kept for it
    },
    end() {
      if (rest.length > 0) emit(rest);
      rest = Buffer.alloc(0);
    },
  };
}

/** The last index not above `limit` that begins a UTF-8 character; `limit` itself when these bytes are no UTF-8. */
function characterBoundary(bytes: Buffer, limit: number): number {
  for (let at = limit; at > limit - 4 && at > 0; at -= 1) {
    if (((bytes[at] ?? 0) & 0xc0) !== 0x80) return at;
  }
  return limit;
}
