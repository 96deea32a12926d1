import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { suite, test } from 'node:test';
import { constants, createZstdDecompress, zstdCompressSync } from 'node:zlib';
import { zstdFrames } from './zstd-frames.ts';

const skippable = (size: number) => {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(0x184d2a53, 0);
  head.writeUInt32LE(size, 4);
  return Buffer.concat([head, randomBytes(size)]);
};
async function* cut(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
const unpacked = (bytes: Buffer, size: number) => buffer(Readable.from(zstdFrames(cut(bytes, size))).compose(createZstdDecompress()));

suite('frames of zstd', () => {
  const parts = [Buffer.alloc(0), Buffer.from('a'), Buffer.alloc(300_000, 'rle'), randomBytes(200_000), Buffer.alloc(200_000, 0)];
  const params = (checksum: boolean) => ({ params: { [constants.ZSTD_c_checksumFlag]: checksum ? 1 : 0 } });
  const frames = parts.flatMap((part, at) => [zstdCompressSync(part, params(at % 2 === 0)), skippable(at * 7)]);
  for (const size of [1, 3, 1000, 65_536, 10_000_000])
    test(`are all unpacked, whatever the chunks are (${size} bytes)`, async () => {
      assert.ok((await unpacked(Buffer.concat([skippable(0), ...frames]), size)).equals(Buffer.concat(parts)));
    });

  for (const [why, bytes] of [
    ['cut off', zstdCompressSync(randomBytes(5000)).subarray(0, -1)],
    ['cut off in the next magic', Buffer.concat([zstdCompressSync('a'), Buffer.from('28b5', 'hex')])],
    ['something behind it', Buffer.concat([zstdCompressSync('a'), Buffer.from('tail tail')])],
    ['gzip', Buffer.from('1f8b0800', 'hex')],
    ['a skippable frame that is cut off', skippable(50).subarray(0, 20)],
  ] as const)
    test(`refused: ${why}`, async () => {
      for (const size of [1, 100_000]) await assert.rejects(unpacked(bytes, size), { code: 'INVALID_INPUT' });
    });
});
