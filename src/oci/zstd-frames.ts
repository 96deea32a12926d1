import { WaybillError } from '../kernel/error.ts';

const magic = 0xfd2fb528;
const isSkippable = (word: number) => (word & 0xfffffff0) >>> 0 === 0x184d2a50;

/**
 * The same bytes in chunks that end where a frame of zstd ends (RFC 8878, section 3.1), without skippable frames. A layer may be of several frames, as zstd:chunked
 * and parallel compressors write them; `node:zlib` drops what stands behind the end of a frame in the same chunk, without a word.
 * @throws WaybillError INVALID_INPUT for what is no frame, and where one breaks off
 */
export async function* zstdFrames(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  /** What the next bytes are, how many are missing of it, and those of it that were needed and are here. */
  let part: 'magic' | 'skip size' | 'skip' | 'descriptor' | 'frame header' | 'block header' | 'block' | 'checksum' = 'magic';
  let missing = 4;
  let held = Buffer.alloc(0);
  let hasChecksum = false;
  let isLast = false;
  let skipping = false;
  const next = (to: typeof part, count: number) => {
    part = to;
    missing = count;
    held = Buffer.alloc(0);
  };
  /** After a part; whether a frame is over. */
  const step = (): boolean => {
    switch (part) {
      case 'magic': {
        const word = held.readUInt32LE(0);
        skipping = isSkippable(word);
        if (!skipping && word !== magic) throw broken('something that is no frame');
        if (skipping) next('skip size', 4);
        else next('descriptor', 1);
        return false;
      }
      case 'skip size':
        next('skip', held.readUInt32LE(0));
        return false;
      case 'descriptor': {
        const byte = held[0] ?? 0;
        const single = (byte & 0x20) !== 0;
        hasChecksum = (byte & 4) !== 0;
        next('frame header', (single ? 0 : 1) + ([0, 1, 2, 4][byte & 3] ?? 0) + ([single ? 1 : 0, 2, 4, 8][byte >> 6] ?? 0));
        return false;
      }
      case 'frame header':
        next('block header', 3);
        return false;
      case 'block header': {
        const word = held.readUIntLE(0, 3);
        const type = (word >> 1) & 3;
        if (type === 3) throw broken('a block of a reserved type');
        isLast = (word & 1) === 1;
        next('block', type === 1 ? 1 : word >> 3);
        return false;
      }
      case 'block':
        if (!isLast) next('block header', 3);
        else if (hasChecksum) next('checksum', 4);
        else {
          next('magic', 4);
          return true;
        }
        return false;
      case 'skip':
      case 'checksum':
        next('magic', 4);
        return true;
    }
  };
  const isComplete = () => missing === 0;
  const isKept = () => part !== 'block' && part !== 'skip' && part !== 'checksum' && part !== 'frame header';
  /** The beginning of a frame, until it is known whether it is to be skipped. */
  let pending = Buffer.alloc(0);
  for await (const chunk of chunks) {
    let from = 0;
    let at = 0;
    while (at < chunk.length) {
      const taken = Math.min(missing, chunk.length - at);
      if (isKept()) held = Buffer.concat([held, chunk.subarray(at, at + taken)]);
      at += taken;
      missing -= taken;
      while (isComplete()) {
        const wasMagic = part === 'magic';
        const ended = step();
        if (wasMagic && !skipping) {
          // Its first bytes may have come with the chunk before.
          pending = Buffer.from('28b52ffd', 'hex');
          from = at;
        }
        if (!ended) continue;
        if (!skipping) yield Buffer.concat([pending, chunk.subarray(from, at)]);
        pending = Buffer.alloc(0);
        from = at;
        skipping = false;
        break;
      }
    }
    if (part !== 'magic' && !skipping && at > from) {
      yield pending.length === 0 ? chunk.subarray(from) : Buffer.concat([pending, chunk.subarray(from)]);
      pending = Buffer.alloc(0);
    }
  }
  if (part !== 'magic' || missing !== 4) throw broken('it breaks off');
}

const broken = (why: string) => new WaybillError('INVALID_INPUT', `it is not compressed with zstd: ${why}`);
