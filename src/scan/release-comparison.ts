import { z } from 'zod';
import { WaybillError } from '../kernel/error.ts';
import { canonicalJson } from '../kernel/json.ts';
import type { ScanLevel } from '../plan/scan-levels.ts';
import type { Compared } from './compare.ts';
import type { DatabaseState } from './coverage.ts';
import type { JudgedFinding } from './finding.ts';
import { recordedFinding, type RecordedFinding } from './record.ts';
import { severities, worse, type Severity } from './severity.ts';

/** What a deploy, or a change, brings to an environment that its release has not; as it is kept. JSON. */
export type ReleaseComparison = {
  readonly version: 1;
  readonly environment: string;
  readonly comparedAt: string;
  /** All of them hold; empty: nothing fails. */
  readonly levels: readonly ScanLevel[];
  readonly passed: boolean;
  readonly reasons: readonly string[];
  /** What ran there. Missing: nothing was released there before, and everything is new. */
  readonly release?: { readonly id: number; readonly run: number; readonly commit: string; readonly at: string };
  readonly parts: readonly ComparedPart[];
  /** Images of the release that are no part of this one. */
  readonly removed: readonly string[];
};

/** One image, or the libraries of the source. */
export type ComparedPart = {
  /** `image NAME`, or `dependencies`. */
  readonly name: string;
  /** Digest of the image, or the commit. */
  readonly now: string;
  /** The same of what is released; missing: it is not released, or was not scanned, and everything in it is new. */
  readonly was?: string;
  /** Each list ends at `mostFindings`; `counts` has them all. */
  readonly fresh: readonly RecordedFinding[];
  readonly gone: readonly JudgedFinding[];
  readonly learned: readonly RecordedFinding[];
  readonly counts: { readonly fresh: number; readonly gone: number; readonly learned: number; readonly kept: number };
  /** Of `fresh`, without what is waived or does no harm. */
  readonly worst?: Severity;
  /** In which both sides were looked up. */
  readonly databases: readonly DatabaseState[];
  /** What a reader has to know to believe it. */
  readonly notes: readonly string[];
};

/** Of each list, in each part: the document has to fit with many images, too. */
const mostFindings = 200;
const mostPlaces = 20;

export function partOf(about: Pick<ComparedPart, 'name' | 'now' | 'was' | 'databases' | 'notes'>, compared: Compared): ComparedPart {
  const { fresh, gone, learned, kept } = compared;
  const open = fresh.filter((finding) => !finding.waiver && !(finding.kind === 'vulnerability' && finding.notAffected !== undefined));
  const [first, ...rest] = open.map(({ severity }) => severity);
  return {
    ...about,
    // What fails comes first, so that a cut hides the least.
    fresh: cut(fresh.toSorted((a, b) => Number(b.fails) - Number(a.fails))).map(recordedFinding),
    gone: cut(gone),
    learned: cut(learned).map(recordedFinding),
    counts: { fresh: fresh.length, gone: gone.length, learned: learned.length, kept },
    ...(first === undefined ? {} : { worst: rest.reduce(worse, first) }),
  };
}

function cut<T extends JudgedFinding>(findings: readonly T[]): T[] {
  return findings.slice(0, mostFindings).map((finding) => ({ ...finding, places: finding.places.slice(0, mostPlaces) }));
}

/** Over all parts; what is in two images counts twice, for it has to be mended twice. */
export function sumOf(parts: readonly ComparedPart[]): ComparedPart['counts'] & { readonly worst?: Severity } {
  const total = (count: keyof ComparedPart['counts']) => parts.reduce((sum, { counts }) => sum + counts[count], 0);
  const [first, ...rest] = parts.flatMap(({ worst }) => worst ?? []);
  return {
    fresh: total('fresh'),
    gone: total('gone'),
    learned: total('learned'),
    kept: total('kept'),
    ...(first === undefined ? {} : { worst: rest.reduce(worse, first) }),
  };
}

/** One text for one comparison. */
export function comparisonText(comparison: ReleaseComparison): string {
  return canonicalJson(comparison);
}

const finding = z.looseObject({ kind: z.string(), key: z.string(), severity: z.enum([...severities, 'unknown']), title: z.string() });
const shape = z.object({
  version: z.literal(1),
  environment: z.string(),
  comparedAt: z.string(),
  levels: z.array(z.string()),
  passed: z.boolean(),
  parts: z.array(z.looseObject({ name: z.string(), fresh: z.array(finding), gone: z.array(finding), learned: z.array(finding) })),
});

/** Reads what `comparisonText` wrote; its digest is what vouches for the rest of its shape. @throws WaybillError INVALID_INPUT */
export function parseComparison(text: string): ReleaseComparison {
  const value: unknown = JSON.parse(text);
  const parsed = shape.safeParse(value);
  if (!parsed.success) throw new WaybillError('INVALID_INPUT', `this is no comparison of releases: ${z.prettifyError(parsed.error)}`);
  return value as ReleaseComparison;
}
