import { z } from 'zod';
import { scanned, severity } from './scan-views.ts';

export const status = z.enum(['waiting', 'running', 'passed', 'reused', 'failed', 'skipped', 'cancelled', 'interrupted']);
const times = { status, startedAt: z.string().optional(), finishedAt: z.string().optional(), reason: z.string().optional() };

export const runView = z.object({
  id: z.number(),
  repository: z.string(),
  event: z.string(),
  commit: z.string(),
  tree: z.string(),
  reviewed: z.boolean(),
  change: z.object({ id: z.number(), version: z.number() }).optional(),
  requestedBy: z.string(),
  replaces: z.number().optional(),
  status,
  reason: z.string().optional(),
  createdAt: z.string(),
  finishedAt: z.string().optional(),
  notes: z.array(z.string()),
  /** What each base of its images is in this run. */
  bases: z.array(z.object({ reference: z.string(), digest: z.string() })).optional(),
  stages: z.array(
    z.object({
      name: z.string(),
      executedIn: z.number().optional(),
      ...times,
      jobs: z.array(
        z.object({
          name: z.string(),
          ...times,
          steps: z.array(z.object({ name: z.string(), exitCode: z.number().nullable().optional(), ...times })),
        }),
      ),
    }),
  ),
  scans: z.array(z.object({ name: z.string(), scanned: scanned.optional(), ...times })),
  images: z.array(
    z.object({
      name: z.string(),
      scanned: scanned.extend({ sbom: z.string() }).optional(),
      /** The newest look at it since, in newer advisories. `signed`: it has its paper. */
      rescanned: scanned.extend({ at: z.string(), signed: z.boolean() }).optional(),
      digest: z.string().optional(),
      reference: z.string().optional(),
      published: z.array(z.string()).optional(),
      ...times,
    }),
  ),
  deploys: z.array(z.object({ environment: z.string(), endpoints: z.array(z.string()).optional(), ...times })),
  /** What is new since the release of each environment, in numbers; all of it is under `/runs/RUN/since`. */
  compared: z.array(
    z.object({
      environment: z.string(),
      comparison: z.string(),
      /** The run of the release; missing: there was none. */
      release: z.number().optional(),
      passed: z.boolean(),
      found: z.object({ fresh: z.number(), gone: z.number(), learned: z.number(), kept: z.number(), worst: severity.optional() }),
    }),
  ),
  papers: z.array(z.object({ predicateType: z.string(), subject: z.string(), ledgerIndex: z.number(), at: z.string() })),
});
export type RunView = z.output<typeof runView>;

export const runRowView = z.object({
  id: z.number(),
  repository: z.string(),
  event: z.string(),
  commit: z.string(),
  change: z.object({ id: z.number(), version: z.number() }).optional(),
  status,
  createdAt: z.string(),
});
export type RunRowView = z.output<typeof runRowView>;
