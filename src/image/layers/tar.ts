import { WaybillError } from '../../kernel/error.ts';
import type { LayerEntry } from './walk.ts';

/** Bytes of a block that `tarBlocks` makes; the last one may be shorter. Part of what decides a compressed layer's digest. */
export const blockSize = 2 ** 20;

const record = 512;
const largestOctal = 8 ** 11 - 1;

/**
 * The entries as a tar: ustar, with PAX headers for what does not fit (POSIX.1-2001, "pax Interchange Format"). Owner 0:0 without names,
 * modes 0755 and 0644 only, one time for all: equal trees give equal bytes. Works in bites of one block; a block belongs to the receiver.
 */
export function* tarBlocks(entries: Iterable<LayerEntry>, mtime: Date): Generator<Buffer> {
  const seconds = Math.max(0, Math.floor(mtime.getTime() / 1000));
  let block = Buffer.allocUnsafeSlow(blockSize);
  let used = 0;
  function* put(bytes: Buffer): Generator<Buffer> {
    for (let done = 0; done < bytes.length;) {
      const length = bytes.copy(block, used, done);
      done += length;
      used += length;
      if (used === blockSize) {
        yield block;
        block = Buffer.allocUnsafeSlow(blockSize);
        used = 0;
      }
    }
  }
  for (const entry of entries) {
    yield* put(headerOf(entry, seconds));
    if (entry.type !== 'file') continue;
    const { size } = entry.file;
    for (let position = 0; position < size;) {
      const length = entry.file.read(block, used, Math.min(blockSize - used, size - position), position);
      if (length === 0) throw new WaybillError('IMAGE_LAYER_INVALID', `${JSON.stringify(entry.path)} became shorter while it was read`);
      position += length;
      used += length;
      if (used === blockSize) {
        yield block;
        block = Buffer.allocUnsafeSlow(blockSize);
        used = 0;
      }
    }
    yield* put(Buffer.alloc(padding(size)));
  }
  yield* put(Buffer.alloc(2 * record));
  if (used > 0) yield block.subarray(0, used);
}

function headerOf(entry: LayerEntry, mtime: number): Buffer {
  const path = entry.type === 'folder' ? `${entry.path}/` : entry.path;
  const target = entry.type === 'symlink' ? entry.target : '';
  const size = entry.type === 'file' ? entry.file.size : 0;
  const mode =
    entry.type === 'folder' || (entry.type === 'file' && entry.file.executable) ? 0o755 : entry.type === 'symlink' ? 0o777 : 0o644;
  const type = { file: '0', symlink: '2', folder: '5' }[entry.type];
  const records = [
    fits(path) ? '' : paxRecord('path', path),
    fits(target) ? '' : paxRecord('linkpath', target),
    size <= largestOctal ? '' : paxRecord('size', String(size)),
  ].join('');
  const main = ustar({ path, target, size: Math.min(size, largestOctal), mode, type, mtime });
  if (records === '') return main;
  const body = Buffer.from(records);
  const before = ustar({ path: 'PaxHeader', target: '', size: body.length, mode: 0o644, type: 'x', mtime });
  return Buffer.concat([before, body, Buffer.alloc(padding(body.length)), main]);
}

function fits(text: string): boolean {
  return text.length <= 100 && /^[\x20-\x7e]*$/.test(text);
}

/** "%d %s=%s\n", where the number counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  if (rest + String(length).length > length) length++;
  return `${length} ${key}=${value}\n`;
}

function ustar(fields: { path: string; target: string; size: number; mode: number; type: string; mtime: number }): Buffer {
  const header = Buffer.alloc(record);
  const plain = (text: string): string => text.replace(/[^\x20-\x7e]/gu, '_').slice(0, 100);
  const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, '0')}\0`;
  header.write(plain(fields.path), 0, 100, 'latin1');
  header.write(octal(fields.mode, 8) + octal(0, 8) + octal(0, 8) + octal(fields.size, 12) + octal(fields.mtime, 12), 100, 'latin1');
  header.write(`        ${fields.type}`, 148, 'latin1');
  header.write(plain(fields.target), 157, 100, 'latin1');
  header.write(`ustar\x0000`, 257, 'latin1');
  header.write(octal(0, 8) + octal(0, 8), 329, 'latin1');
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

function padding(size: number): number {
  return (record - (size % record)) % record;
}
