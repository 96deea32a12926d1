import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { crc32, deflateRawSync } from 'node:zlib';

export type ZipMember = {
  readonly name: string;
  readonly content: Buffer | string;
  /** What is written in place of the truth. */ readonly lie?: Partial<Record<'crc' | 'size' | 'method' | 'flags', number>>;
};

/** Writes a ZIP archive member by member (APPNOTE.TXT 6.3), for tests and benchmarks; with `lie`, a damaged one. Below 4 GiB and 65,535 members, or with Zip64's end. */
export async function writeZip(file: string, members: Iterable<ZipMember>): Promise<void> {
  const out = createWriteStream(file);
  let offset = 0;
  let count = 0;
  const put = async (bytes: Buffer) => {
    offset += bytes.length;
    if (!out.write(bytes)) await once(out, 'drain');
  };
  const directory: Buffer[] = [];
  for (const { name, content, lie = {} } of members) {
    const bytes = Buffer.from(content);
    const packed = deflateRawSync(bytes);
    const title = Buffer.from(name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE((lie.flags ?? 0) | 0x800, 2);
    common.writeUInt16LE(lie.method ?? 8, 4);
    common.writeUInt32LE(lie.crc ?? crc32(bytes), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(lie.size ?? bytes.length, 18);
    common.writeUInt16LE(title.length, 22);
    const at = Buffer.alloc(14);
    at.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from([0x50, 0x4b, 1, 2, 20, 0]), common, at, title]));
    await put(Buffer.concat([Buffer.from([0x50, 0x4b, 3, 4]), common, title, packed]));
    count++;
  }
  const start = offset;
  for (const entry of directory) await put(entry);
  const size = offset - start;
  if (count >= 0xffff) await put(zip64End(count, size, start));
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  const shown = Math.min(count, 0xffff);
  end.writeUInt16LE(shown, 8);
  end.writeUInt16LE(shown, 10);
  end.writeUInt32LE(size, 12);
  end.writeUInt32LE(start, 16);
  await put(end);
  out.end();
  await once(out, 'close');
}

function zip64End(count: number, size: number, start: number): Buffer {
  const record = Buffer.alloc(56);
  record.writeUInt32LE(0x06064b50, 0);
  record.writeBigUInt64LE(44n, 4);
  record.writeUInt16LE(45, 12);
  record.writeUInt16LE(45, 14);
  record.writeBigUInt64LE(BigInt(count), 24);
  record.writeBigUInt64LE(BigInt(count), 32);
  record.writeBigUInt64LE(BigInt(size), 40);
  record.writeBigUInt64LE(BigInt(start), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(start + size), 8);
  locator.writeUInt32LE(1, 16);
  return Buffer.concat([record, locator]);
}
