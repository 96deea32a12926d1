import type { Coverage } from './coverage.ts';
import type { Finding } from './finding.ts';

export const scanKinds = ['secrets', 'dependencies', 'image'] as const;
export type ScanKind = (typeof scanKinds)[number];

/** What a scanner says. It judges nothing: see `gate.ts`. */
export type ScanReport = {
  readonly version: 1;
  readonly kind: ScanKind;
  /** `waybill VERSION`. */
  readonly scanner: string;
  /** RFC 3339. */
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly coverage: Coverage;
  /** Worst first, then by key. */
  readonly findings: readonly Finding[];
};
