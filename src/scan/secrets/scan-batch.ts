import type { Skipped } from '../coverage.ts';
import { mostHits, type Progress } from './detect.ts';
import type { ScanLimits } from './limits.ts';
import type { Patience } from './patience.ts';
import type { RuleSet } from './rule-set.ts';
import { scanPart, type Located, type Part } from './scan-chunks.ts';
import { withinTime } from './time-budget.ts';

/** What is in some parts; `part` is the place of the part in the batch. */
export type BatchResult = {
  readonly found: readonly { readonly located: Located; readonly part: number }[];
  readonly skipped: readonly { readonly skipped: Skipped; readonly part: number }[];
  /** Rules were given up: nothing of it is clean. */
  readonly tried: boolean;
};

export type BatchLimits = Pick<ScanLimits, 'milliseconds' | 'decodeDepth'>;

const mostClosed = 8;

/**
 * Looks at parts one after another within a budget of time. A rule that runs when the time is over, or that fails on a text, is closed for that part and told; the part is looked at
 * again without it. One that needs this again and again is closed for the whole scan. Synchronous.
 */
export function scanBatch(set: RuleSet, parts: readonly Part[], limits: BatchLimits, patience: Patience, now: Date): BatchResult {
  const found: { located: Located; part: number }[] = [];
  const skipped: { skipped: Skipped; part: number }[] = [];
  let index = 0;
  let closed = new Set(patience.closed);
  const progress: Progress = { rule: undefined };
  const skip = ({ path }: Part, reason: Skipped['reason'], detail: string) =>
    void skipped.push({ skipped: { path, reason, detail }, part: index });
  const tried = (): string | undefined => {
    try {
      const finished = withinTime(limits.milliseconds, () => {
        for (; index < parts.length; index++) {
          const part = parts[index];
          if (!part) continue;
          const results: Located[] = [];
          const full = scanPart(set, part, limits.decodeDepth, now, closed, progress, results);
          for (const located of results) found.push({ located, part: index });
          if (full) skip(part, 'limit', `more than ${mostHits} matches; the first ones are listed`);
          closed = new Set(patience.closed);
        }
      });
      return finished ? undefined : `took longer than ${limits.milliseconds} ms`;
    } catch (error) {
      // V8 finds out only while it runs that an expression goes too deep.
      if (progress.rule && error instanceof RangeError) return `failed (${error.message.slice(-100)})`;
      throw error;
    }
  };
  for (let part = parts[index]; part; part = parts[index]) {
    if (patience.isOver) {
      skip(part, 'time', 'it was not looked at: rules took too long on too many texts before it');
      index++;
      continue;
    }
    const trouble = tried();
    const stopped = parts[index];
    if (trouble === undefined || !stopped) break;
    const culprit = progress.rule;
    progress.rule = undefined;
    const given = patience.strike(culprit);
    if (culprit && closed.size - patience.closed.size < mostClosed) {
      closed.add(culprit);
      skip(
        stopped,
        'time',
        `the rule ${culprit.rule.id} ${trouble}${given ? ', not for the first time: it was used no more in this scan' : ''}`,
      );
    } else {
      skip(stopped, 'time', `it ${trouble}`);
      closed = new Set(patience.closed);
      index++;
    }
  }
  return { found, skipped, tried: patience.isTried };
}
