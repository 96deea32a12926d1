/** What one export of an ecosystem may be; each is several times what the largest ones are. */
export type AdvisoryLimits = {
  /** Of the archive, in bytes. */
  readonly archiveBytes: number;
  /** Files in it. */
  readonly entries: number;
  /** Of one advisory, unpacked, in bytes. */
  readonly recordBytes: number;
  /** Of all of them, unpacked, in bytes. */
  readonly totalBytes: number;
  /** For one ecosystem, download and index, in milliseconds. */
  readonly milliseconds: number;
};

export const usualLimits: AdvisoryLimits = {
  archiveBytes: 4 * 1024 ** 3,
  entries: 3_000_000,
  recordBytes: 32 * 1024 ** 2,
  totalBytes: 32 * 1024 ** 3,
  milliseconds: 60 * 60_000,
};
