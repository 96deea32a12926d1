/** A stretch of text that may be base64 or hexadecimal, and what it decodes to. */
export type Encoded = { readonly start: number; readonly how: 'base64' | 'hexadecimal'; readonly bytes: Buffer };

const shortest = 32;
const longest = 4 * 1024 * 1024;

const alphabet = new Uint8Array(256);
for (const letter of Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_')) alphabet[letter] = 1;

/**
 * Everything in a text that decodes to text. Only every 32nd byte is looked at until one may belong to a run, so that ordinary text costs next to nothing.
 * Lines of one run (as in PEM and MIME) are joined. What decodes to no text is dropped after its first bytes.
 */
export function* encodedTexts(bytes: Buffer, isWanted: (first: Buffer) => boolean = isText): Generator<Encoded> {
  let floor = 0;
  for (let at = shortest - 1; at < bytes.length;) {
    if (alphabet[bytes[at] ?? 0] === 0) {
      at += shortest;
      continue;
    }
    let start = at;
    while (start > floor && alphabet[bytes[start - 1] ?? 0] === 1) start--;
    let end = runEnd(bytes, at);
    const first = end;
    if (end - start >= 60)
      for (;;) {
        const next = nextLine(bytes, end);
        if (next < 0 || end - start > longest) break;
        end = runEnd(bytes, next);
      }
    if (first - start >= shortest) {
      const found = decode(bytes, start, end, isWanted);
      if (found) yield found;
    }
    floor = end;
    at = end + shortest;
  }
}

function decode(bytes: Buffer, start: number, end: number, isWanted: (first: Buffer) => boolean): Encoded | undefined {
  const head = bytes.toString('latin1', start, Math.min(end, start + 96));
  if (/^[0-9a-f]+$/i.test(head)) {
    if (!isWanted(Buffer.from(head.slice(0, head.length & ~1), 'hex'))) return undefined;
    return { start, how: 'hexadecimal', bytes: Buffer.from(text(bytes, start, end), 'hex') };
  }
  // A data URL, or a path before it: `base64,` ends the run by itself, and `/` does not.
  const head64 = Buffer.from(head.replaceAll(/\s/g, ''), 'base64');
  if (!isWanted(head64)) return undefined;
  return { start, how: 'base64', bytes: Buffer.from(text(bytes, start, end), 'base64') };
}

const text = (bytes: Buffer, start: number, end: number): string => bytes.toString('latin1', start, end).replaceAll(/\s/g, '');

function runEnd(bytes: Buffer, from: number): number {
  let end = from;
  while (end < bytes.length && alphabet[bytes[end] ?? 0] === 1) end++;
  return end;
}

/** Where the run goes on in the next line, or -1. */
function nextLine(bytes: Buffer, end: number): number {
  let at = end;
  if (bytes[at] === 0x0d) at++;
  if (bytes[at] !== 0x0a) return -1;
  at++;
  while ((bytes[at] === 0x20 || bytes[at] === 0x09) && at - end < 40) at++;
  return at < bytes.length && alphabet[bytes[at] ?? 0] === 1 ? at : -1;
}

/** At least nine of ten bytes print. */
export function isText(bytes: Buffer): boolean {
  if (bytes.length < 16) return false;
  let printing = 0;
  for (const byte of bytes) if ((byte >= 0x20 && byte < 0x7f) || byte === 0x0a || byte === 0x0d || byte === 0x09) printing++;
  return printing >= 0.9 * bytes.length;
}
