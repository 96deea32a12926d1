import { WaybillError } from '../../kernel/error.ts';
import { openSource } from './file-source.ts';
import { OpenFolders } from './open-folders.ts';
import type { LayerEntry } from './walk.ts';

/** Bytes of a block that `tarBlocks` makes; the last one may be shorter. Part of what decides a compressed layer's digest. */
export const blockSize = 2 ** 20;

/** Blocks that are used again: a new one for each would be half of the work of the garbage collector. */
export class BlockPool {
  readonly #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(blockSize);
  }

  /** Nobody reads it any more. A part of a block is not taken back. */
  give(block: Buffer): void {
    if (block.length === blockSize) this.#free.push(block);
  }
}

const record = 512;
const largestOctal = 8 ** 11 - 1;
const largestId = 8 ** 7 - 1;

/** What the headers of a layer say besides path, type and size. */
export type TarOptions = {
  readonly mtime: Date;
  readonly owner: Owner;
  /** `normal`: 0755 for folders and what the owner may execute, 0644 for the rest; `kept`: the permission bits of the tree. */
  readonly modes: 'normal' | 'kept';
};
export type Owner = { readonly uid: number; readonly gid: number };

/**
 * The entries as a tar: ustar, with PAX headers for what does not fit (POSIX.1-2001, "pax Interchange Format"). No names of owners, one time
 * for all, no set-uid bits: equal trees give equal bytes. The second name of a file within these entries is a hard link to the first.
 * Works in bites of one block; a block belongs to the receiver, who may give it back to `pool`.
 */
export function* tarBlocks(entries: Iterable<LayerEntry>, options: TarOptions, pool = new BlockPool()): Generator<Buffer> {
  const seconds = Math.max(0, Math.floor(options.mtime.getTime() / 1000));
  const names = new Map<string, string>();
  using folders = new OpenFolders();
  let block = pool.take();
  let used = 0;
  function* put(bytes: Buffer): Generator<Buffer> {
    for (let done = 0; done < bytes.length;) {
      const length = bytes.copy(block, used, done);
      done += length;
      used += length;
      if (used === blockSize) {
        yield block;
        block = pool.take();
        used = 0;
      }
    }
  }
  for (const entry of entries) {
    const first = entry.type === 'file' && entry.file.identity !== undefined ? names.get(entry.file.identity) : undefined;
    yield* put(headerOf(entry, first, seconds, options));
    if (entry.type !== 'file' || first !== undefined) continue;
    const { size, identity } = entry.file;
    if (identity !== undefined) names.set(identity, entry.path);
    // An empty one too: only then is it sure that it is the one that was listed.
    using file = openSource(entry.file.source, folders);
    for (let position = 0; position < size;) {
      const length = file.read(block, used, Math.min(blockSize - used, size - position), position);
      if (length === 0) throw new WaybillError('IMAGE_LAYER_INVALID', `${JSON.stringify(entry.path)} became shorter while it was read`);
      position += length;
      used += length;
      if (used === blockSize) {
        yield block;
        block = pool.take();
        used = 0;
      }
    }
    yield* put(Buffer.alloc(padding(size)));
  }
  yield* put(Buffer.alloc(2 * record));
  if (used > 0) yield block.subarray(0, used);
}

/** @param linkTo the first name of a file that has one already */
function headerOf(entry: LayerEntry, linkTo: string | undefined, mtime: number, { owner, modes }: TarOptions): Buffer {
  const path = entry.type === 'folder' ? `${entry.path}/` : entry.path;
  const target = entry.type === 'symlink' ? entry.target : (linkTo ?? '');
  const size = entry.type === 'file' && linkTo === undefined ? entry.file.size : 0;
  const mode = modeOf(entry, modes);
  const type = linkTo === undefined ? { file: '0', symlink: '2', folder: '5' }[entry.type] : '1';
  const { uid, gid } = owner;
  const records = [
    fits(path) ? '' : paxRecord('path', path),
    fits(target) ? '' : paxRecord('linkpath', target),
    size <= largestOctal ? '' : paxRecord('size', String(size)),
    uid <= largestId ? '' : paxRecord('uid', String(uid)),
    gid <= largestId ? '' : paxRecord('gid', String(gid)),
  ].join('');
  const ids = { uid: Math.min(uid, largestId), gid: Math.min(gid, largestId) };
  const main = ustar({ path, target, size: Math.min(size, largestOctal), mode, type, mtime, ...ids });
  if (records === '') return main;
  const body = Buffer.from(records);
  const before = ustar({ path: 'PaxHeader', target: '', size: body.length, mode: 0o644, type: 'x', mtime, uid: 0, gid: 0 });
  return Buffer.concat([before, body, Buffer.alloc(padding(body.length)), main]);
}

function modeOf(entry: LayerEntry, modes: TarOptions['modes']): number {
  if (entry.type === 'symlink') return 0o777;
  const own = entry.type === 'folder' ? entry.mode : entry.file.mode;
  if (modes === 'kept') return own & 0o1777;
  return entry.type === 'folder' || (own & 0o100) !== 0 ? 0o755 : 0o644;
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

function ustar(fields: { path: string; target: string; size: number; mode: number; type: string; mtime: number } & Owner): Buffer {
  const header = Buffer.alloc(record);
  header.write(plain(fields.path), 0, 100, 'latin1');
  octal(header, 100, 8, fields.mode);
  octal(header, 108, 8, fields.uid);
  octal(header, 116, 8, fields.gid);
  octal(header, 124, 12, fields.size);
  octal(header, 136, 12, fields.mtime);
  header.fill(0x20, 148, 156);
  header.write(fields.type, 156, 'latin1');
  if (fields.target !== '') header.write(plain(fields.target), 157, 100, 'latin1');
  header.write(`ustar\x0000`, 257, 'latin1');
  octal(header, 329, 8, 0);
  octal(header, 337, 8, 0);
  let sum = 0;
  // What lies behind the device numbers is zero.
  for (let at = 0; at < 345; at++) sum += header[at] ?? 0;
  octal(header, 148, 7, sum);
  return header;
}

/** Digits up to a NUL, which is there already. */
function octal(header: Buffer, at: number, width: number, value: number): void {
  let rest = value;
  for (let place = at + width - 2; place >= at; place--) {
    header[place] = 0x30 + (rest % 8);
    rest = Math.floor(rest / 8);
  }
  header[at + width - 1] = 0;
}

/** What fits is written as it is; for what does not, a PAX header comes before. */
function plain(text: string): string {
  return fits(text) ? text : text.replace(/[^\x20-\x7e]/gu, '_').slice(0, 100);
}

function padding(size: number): number {
  return (record - (size % record)) % record;
}
