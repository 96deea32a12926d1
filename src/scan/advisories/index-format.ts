import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { z } from 'zod';

/*
 * One immutable file for each ecosystem. All numbers are big-endian.
 *
 *   header   64 bytes
 *   advisories: JSON of each `Advisory`, in the order of their ids
 *   packages:   JSON of each `PackageGroup`, in the order of the table
 *   table       24 bytes a package, in the order of their hashes: hash (8), offset (6), length (4), CRC-32 of the group (4), zero (2)
 *   meta        JSON of `IndexMeta`
 *
 * A look-up is a binary search in the table, which is read once, one read for the package, and one for each advisory that hits. It says the same for the same
 * advisories, whenever and in whatever order they were read, so that the digest of the file is one of its content.
 */
export const magic = Buffer.from('WAYBOSV1', 'latin1');
export const headerBytes = 64;
export const entryBytes = 24;

export const indexMeta = z.strictObject({
  ecosystem: z.string(),
  /** Not withdrawn, and about the ecosystem. */
  advisories: z.number().int().min(0),
  packages: z.number().int().min(0),
  /** Advisories by release, for distributions; those about every release under the empty name. */
  releases: z.record(z.string(), z.number().int().min(0)),
});
export type IndexMeta = z.output<typeof indexMeta>;

/** Where an advisory stands: offset, length, CRC-32. */
export type AdvisoryRef = readonly [offset: number, length: number, crc: number];

/** Stored for each package: its key, and what each advisory says of it. */
export type PackageGroup<Affected> = { readonly k: string; readonly a: readonly (readonly [ref: AdvisoryRef, affected: Affected])[] };

export type Header = {
  readonly size: number;
  readonly table: { readonly offset: number; readonly count: number; readonly crc: number };
  readonly meta: { readonly offset: number; readonly length: number; readonly crc: number };
};

export function encodeHeader({ size, table, meta }: Header): Buffer {
  const bytes = Buffer.alloc(headerBytes);
  magic.copy(bytes);
  bytes.writeUIntBE(size, 8, 6);
  bytes.writeUIntBE(table.offset, 14, 6);
  bytes.writeUInt32BE(table.count, 20);
  bytes.writeUInt32BE(table.crc, 24);
  bytes.writeUIntBE(meta.offset, 28, 6);
  bytes.writeUInt32BE(meta.length, 34);
  bytes.writeUInt32BE(meta.crc, 38);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, headerBytes - 4)), headerBytes - 4);
  return bytes;
}

/** Undefined: these are no such bytes, or not as they were written. */
export function decodeHeader(bytes: Buffer): Header | undefined {
  if (bytes.length !== headerBytes || !bytes.subarray(0, magic.length).equals(magic)) return undefined;
  if (bytes.readUInt32BE(headerBytes - 4) !== crc32(bytes.subarray(0, headerBytes - 4))) return undefined;
  return {
    size: bytes.readUIntBE(8, 6),
    table: { offset: bytes.readUIntBE(14, 6), count: bytes.readUInt32BE(20), crc: bytes.readUInt32BE(24) },
    meta: { offset: bytes.readUIntBE(28, 6), length: bytes.readUInt32BE(34), crc: bytes.readUInt32BE(38) },
  };
}

/** The first 8 bytes of the SHA-256 of a package's key. */
export function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest().subarray(0, 8);
}
