import type { Skipped } from '../coverage.ts';
import type { ScanLimits } from './limits.ts';
import type { Patience } from './patience.ts';
import type { RuleSet } from './rule-set.ts';
import { scanParts, type Located, type Part } from './scan-chunks.ts';

/** What is in some parts; `part` is the place of the part in the batch. */
export type BatchResult = {
  readonly found: readonly { readonly located: Located; readonly part: number }[];
  readonly skipped: readonly { readonly skipped: Skipped; readonly part: number }[];
  /** Rules were given up: nothing of it is clean. */
  readonly tried: boolean;
};

export type BatchLimits = Pick<ScanLimits, 'milliseconds' | 'decodeDepth'>;

/** `scanParts`, with what it finds as one value, in the order of the parts. Synchronous. */
export function scanBatch(set: RuleSet, parts: readonly Part[], limits: BatchLimits, patience: Patience, now: Date): BatchResult {
  const found: { located: Located; part: number }[] = [];
  const skipped: { skipped: Skipped; part: number }[] = [];
  const place = new Map(parts.map((part, index) => [part, index]));
  scanParts(
    set,
    parts,
    limits,
    patience,
    now,
    (located, part) => void found.push({ located, part: place.get(part) ?? 0 }),
    (each, part) => void skipped.push({ skipped: each, part: place.get(part) ?? 0 }),
  );
  return { found, skipped, tried: patience.isTried };
}
