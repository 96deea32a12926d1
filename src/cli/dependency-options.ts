import type { ScanOutputOptions } from './scan-output.ts';

/** Of `waybill scan deps`. */
export type DependencyOptions = ScanOutputOptions & {
  readonly database?: string;
  /** Days. */
  readonly databaseDays: number;
  readonly vex: readonly string[];
  readonly vexOut?: string;
  readonly vexAuthor?: string;
  readonly base?: string;
  readonly allFiles?: true;
};
