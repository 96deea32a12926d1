import { WaybillError } from '../kernel/error.ts';

/** A header of a tar archive (POSIX.1-2024 pax, ustar; GNU tar's long names). */
export type TarHeader = {
  /** As it is written. */
  readonly name: string;
  readonly kind: 'file' | 'hard link' | 'symlink' | 'folder' | 'device';
  readonly mode: number;
  /** Of the content; 0 for what has none. */
  readonly size: number;
  readonly link: string;
};

export type TarEntry = TarHeader & {
  /** Once, before the next entry is asked for; what is not read is passed over. Buffers as they come. */
  content(): AsyncIterable<Buffer>;
};

/** Of what stands before an entry: names, attributes. As in Go's archive/tar. */
const largestExtension = 1024 * 1024;
const block = 512;

/**
 * The entries of a tar stream. It reads what Go's archive/tar reads, with which container runtimes unpack layers, and in the same way: where an archive
 * ends, which entries have content, whose name counts. Another reading would let a layer show a scanner other files than a runtime. What it does not
 * read (sparse files, unknown types) is an error. Memory is that of one chunk and one header.
 * @throws WaybillError INVALID_INPUT; what the chunks themselves throw
 */
export async function* tarEntries(chunks: AsyncIterable<Buffer>): AsyncGenerator<TarEntry> {
  const bytes = new ByteQueue(chunks);
  let extended: Extended = {};
  for (;;) {
    const header = await bytes.take(block, true);
    if (!header) break;
    if (isZero(header)) {
      const second = await bytes.take(block, true);
      if (second && !isZero(second)) throw broken('a block of zeroes in the middle');
      break;
    }
    checkSum(header);
    const flag = String.fromCharCode(header[156] ?? 0);
    const size = numberIn(header, 124, 12);
    if (flag === 'x' || flag === 'g' || flag === 'L' || flag === 'K') {
      if (size > largestExtension) throw broken(`a header of ${size} bytes`);
      const content = await bytes.take(size);
      await bytes.skip(padding(size));
      // Global ones are about nothing that counts here, and runtimes leave them alone, too.
      if (flag === 'x') extended = { ...extended, pax: paxRecords(content ?? header) };
      if (flag === 'L') extended = { ...extended, name: cString(content ?? header) };
      if (flag === 'K') extended = { ...extended, link: cString(content ?? header) };
      continue;
    }
    const entry = entryOf(header, flag, size, extended);
    extended = {};
    let left = entry.size;
    yield {
      ...entry,
      async *content() {
        while (left > 0) {
          const piece = await bytes.some(left);
          left -= piece.length;
          yield piece;
        }
      },
    };
    await bytes.skip(left + padding(entry.size));
  }
  // To its end: only then is it known that it is what its digest says.
  await bytes.drain();
}

type Extended = { readonly pax?: ReadonlyMap<string, string>; readonly name?: string; readonly link?: string };

const kinds: Readonly<Record<string, TarHeader['kind']>> = {
  '\0': 'file',
  '0': 'file',
  '7': 'file',
  '1': 'hard link',
  '2': 'symlink',
  '3': 'device',
  '4': 'device',
  '6': 'device',
  '5': 'folder',
};

function entryOf(header: Buffer, flag: string, ownSize: number, { pax, name: longName, link: longLink }: Extended): TarHeader {
  const kind = Object.hasOwn(kinds, flag) ? kinds[flag] : undefined;
  if (!kind) throw broken(`an entry of the type ${JSON.stringify(flag)}, which is not read`);
  for (const key of pax?.keys() ?? []) if (key.startsWith('GNU.sparse.')) throw broken('a sparse file, which is not read');
  const name = longName || pax?.get('path') || nameIn(header);
  const link = longLink || pax?.get('linkpath') || cString(header.subarray(157, 257));
  const paxSize = pax?.get('size') ?? '';
  if (paxSize !== '' && !/^\d{1,15}$/.test(paxSize)) throw broken('a size that is no number');
  const size = paxSize === '' ? ownSize : Number(paxSize);
  const isFolder = kind === 'folder' || (flag === '\0' && name.endsWith('/'));
  return {
    name,
    link,
    kind: isFolder ? 'folder' : kind,
    mode: numberIn(header, 100, 8) & 0o7777,
    // Types without content have none, whatever stands there.
    size: kind === 'file' ? size : 0,
  };
}

function nameIn(header: Buffer): string {
  const name = cString(header.subarray(0, 100));
  const magic = header.toString('latin1', 257, 265);
  if (magic.startsWith('ustar\0')) {
    const star = header.toString('latin1', 508, 512) === 'tar\0';
    const prefix = cString(header.subarray(345, star ? 476 : 500));
    return prefix === '' ? name : `${prefix}/${name}`;
  }
  // Times stand there. An old writer put a part of the name there, and what is meant cannot be told.
  if (magic === 'ustar  \0' && header[345] !== 0 && !/^[0-7 \0]*$/.test(header.toString('latin1', 345, 369)))
    throw broken('a header of two formats');
  return name;
}

/** `LENGTH KEY=VALUE\n`, the length in bytes and of all of it. */
function paxRecords(bytes: Buffer): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const digits = space === -1 || space - at > 8 ? '' : bytes.toString('latin1', at, space);
    const end = at + Number(digits);
    if (!/^[1-9]\d*$/.test(digits) || end > bytes.length || end <= space || bytes[end - 1] !== 0x0a) throw broken('a damaged header');
    const equals = bytes.indexOf(0x3d, space);
    if (equals === -1 || equals >= end) throw broken('a damaged header');
    const key = bytes.toString('utf8', space + 1, equals);
    const value = bytes.toString('utf8', equals + 1, end - 1);
    if ((key === 'path' || key === 'linkpath') && value.includes('\0')) throw broken('a name with a zero in it');
    records.set(key, value);
    at = end;
  }
  return records;
}

function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end === -1 ? bytes.length : end);
}

/** Octal digits, or big-endian binary behind a first byte of 0x80. */
function numberIn(header: Buffer, at: number, length: number): number {
  const first = header[at] ?? 0;
  if (first & 0x80) {
    if (first !== 0x80) throw broken('a number that is negative or too large');
    let value = 0;
    for (let index = at + 1; index < at + length; index++) {
      value = value * 256 + (header[index] ?? 0);
      if (value > Number.MAX_SAFE_INTEGER) throw broken('a number that is too large');
    }
    return value;
  }
  const text = header.toString('latin1', at, at + length).replace(/^[ \0]+|[ \0]+$/g, '');
  if (!/^[0-7]*$/.test(text)) throw broken('a number that is none');
  return text === '' ? 0 : Number.parseInt(text, 8);
}

/** Of bytes with or without a sign, since writers differ. */
function checkSum(header: Buffer): void {
  let unsigned = 0;
  let signed = 0;
  for (let index = 0; index < block; index++) {
    const byte = index >= 148 && index < 156 ? 0x20 : (header[index] ?? 0);
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  const said = numberIn(header, 148, 8);
  if (said !== unsigned && said !== signed) throw broken('a header whose checksum is wrong');
}

const zeroes = Buffer.alloc(block);
const isZero = (bytes: Buffer) => bytes.equals(zeroes);
const padding = (size: number) => (block - (size % block)) % block;
const broken = (why: string) => new WaybillError('INVALID_INPUT', `it is no tar archive that can be read: ${why}`);

/** Bytes of a stream, taken in the portions that are wanted. */
class ByteQueue {
  readonly #chunks: AsyncIterator<Buffer>;
  #held: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Exactly so many. Undefined: nothing follows, and that is allowed. */
  async take(count: number, mayEnd = false): Promise<Buffer | undefined> {
    if (this.#held.length < count) {
      const parts = [this.#held];
      let size = this.#held.length;
      while (size < count) {
        const next = await this.#chunks.next();
        if (next.done) {
          if (size === 0 && mayEnd) return undefined;
          throw broken('it ends in the middle');
        }
        parts.push(next.value);
        size += next.value.length;
      }
      this.#held = Buffer.concat(parts, size);
    }
    const taken = this.#held.subarray(0, count);
    this.#held = this.#held.subarray(count);
    return taken;
  }

  /** What is there, at least one byte and at most so many. */
  async some(most: number): Promise<Buffer> {
    while (this.#held.length === 0) {
      const next = await this.#chunks.next();
      if (next.done) throw broken('it ends in the middle');
      this.#held = next.value;
    }
    const taken = this.#held.subarray(0, most);
    this.#held = this.#held.subarray(taken.length);
    return taken;
  }

  async skip(count: number): Promise<void> {
    for (let left = count; left > 0;) left -= (await this.some(left)).length;
  }

  async drain(): Promise<void> {
    this.#held = Buffer.alloc(0);
    while (!(await this.#chunks.next()).done);
  }
}
