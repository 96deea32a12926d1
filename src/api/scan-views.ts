import { z } from 'zod';

export const severity = z.enum(['low', 'medium', 'high', 'critical', 'unknown']);

/** One finding of a scan. It never holds a credential. */
export const findingView = z.object({
  kind: z.enum(['secret', 'vulnerability', 'image', 'gap']),
  /** The rule, or the advisory. */
  id: z.string(),
  key: z.string(),
  severity,
  title: z.string(),
  fix: z.string(),
  /** `path:line`, and the layer or the newest commits where that says more. */
  where: z.array(z.string()),
  isNew: z.boolean(),
  fails: z.boolean(),
  /** purl of the component, versions that fix it, and how it came in. */
  component: z.string().optional(),
  fixed: z.array(z.string()).optional(),
  paths: z.array(z.array(z.string())).optional(),
  /** What a waiver would name. */
  fingerprint: z.string().optional(),
  waiver: z.object({ reason: z.string(), owner: z.string(), expires: z.string() }).optional(),
  notAffected: z.string().optional(),
});
export type FindingView = z.output<typeof findingView>;

/** The record of a scan: what it looked at, what it found, what the gate said. */
export const scanView = z.object({
  /** `secrets`, `dependencies`, `image NAME`, or `image NAME, looked at again`. */
  name: z.string(),
  record: z.string(),
  scanner: z.string(),
  passed: z.boolean(),
  level: z.string(),
  reasons: z.array(z.string()),
  notes: z.array(z.string()),
  comparedWith: z.string().optional(),
  startedAt: z.string(),
  finishedAt: z.string(),
  covered: z.object({
    files: z.number(),
    bytes: z.number(),
    components: z.number(),
    rules: z.number().optional(),
    databases: z.array(z.object({ ecosystem: z.string(), advisories: z.number(), updatedAt: z.string() })),
    skipped: z.array(z.object({ path: z.string(), reason: z.string(), detail: z.string() })),
    skippedCount: z.number(),
  }),
  findings: z.array(findingView),
  findingCount: z.number(),
});
export type ScanView = z.output<typeof scanView>;

/** Advisories of one ecosystem, or why they could not be brought. */
export const advisoryStateView = z.object({
  ecosystem: z.string(),
  outcome: z.enum(['updated', 'unchanged', 'failed']).optional(),
  advisories: z.number().optional(),
  packages: z.number().optional(),
  digest: z.string().optional(),
  updatedAt: z.string().optional(),
  source: z.string().optional(),
  error: z.string().optional(),
});
export type AdvisoryStateView = z.output<typeof advisoryStateView>;

/** What a scan came to; its record is under `/runs/RUN/scans`. */
export const scanned = z.object({
  record: z.string(),
  passed: z.boolean(),
  level: z.string(),
  found: z.object({ failing: z.number(), new: z.number(), known: z.number(), waived: z.number() }),
});
