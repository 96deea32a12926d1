import type { ScanOutputOptions } from './scan-output.ts';

/** Of `waybill scan image`. */
export type ImageScanOptions = ScanOutputOptions & {
  readonly database?: string;
  /** Days. */
  readonly databaseDays: number;
  /** `linux/arm64`; all of them otherwise. */
  readonly platform?: string;
  /** Another image; only what is not in it counts as new. */
  readonly base?: string;
  readonly rules?: string;
};
