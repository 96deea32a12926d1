import { availableParallelism } from 'node:os';

/** What a scan looks at, at most. Whatever is beyond it is told as a gap. */
export type ScanLimits = {
  /** Of one file's bytes; the rest of a larger one is not looked at. */
  readonly fileBytes: number;
  /** Of what one archive unpacks to, with everything in it. */
  readonly unpackedBytes: number;
  /** Of what all archives of a scan unpack to, besides twenty times what was read: a thousand bombs take no longer than some. */
  readonly unpackedTotal: number;
  readonly archiveEntries: number;
  /** An archive in an archive in an archive. */
  readonly archiveDepth: number;
  /** A zip file is held in memory whole. */
  readonly zipBytes: number;
  /** Base64 in base64. */
  readonly decodeDepth: number;
  /** One piece of text with one rule that is too slow. */
  readonly milliseconds: number;
  /** How often one rule may take longer before it is used no more, and how often all together before nothing more is looked at. */
  readonly strikes: { readonly rule: number; readonly all: number };
  readonly findings: number;
  /** Threads that look at what is read, besides the one that reads, and from how many bytes on one pays for its start. */
  readonly threads: { readonly count: number; readonly fromBytes: number };
};

export const defaultLimits: ScanLimits = {
  fileBytes: 128 * 1024 * 1024,
  unpackedBytes: 512 * 1024 * 1024,
  unpackedTotal: 4 * 1024 ** 3,
  archiveEntries: 50_000,
  archiveDepth: 3,
  zipBytes: 64 * 1024 * 1024,
  decodeDepth: 2,
  milliseconds: 2_000,
  strikes: { rule: 3, all: 20 },
  findings: 5_000,
  threads: { count: Math.min(3, availableParallelism() - 1), fromBytes: 24 * 1024 * 1024 },
};
