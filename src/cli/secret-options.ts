import type { ScanOutputOptions } from './scan-output.ts';

/** Of `waybill scan secrets`. */
export type SecretOptions = ScanOutputOptions & {
  readonly history?: true;
  readonly range?: string;
  readonly staged?: true;
  readonly ignored: boolean;
  readonly rules?: string;
  readonly all?: true;
  readonly waive?: string;
  readonly reason?: string;
  readonly owner?: string;
  readonly expires?: string;
};
