import { z } from 'zod';
import { findingView, severity } from './scan-views.ts';

const counts = { fresh: z.number(), gone: z.number(), learned: z.number(), kept: z.number(), worst: severity.optional() };

/** What a deploy or a change brings to an environment that the release there has not, as it was when it was looked at. */
export const sinceReleaseView = z.object({
  environment: z.string(),
  /** Digest of the comparison; the journal of the run names it. */
  comparison: z.string(),
  comparedAt: z.string(),
  /** What the deploy is held to; each of them. Empty: nothing fails. */
  levels: z.array(z.string()),
  passed: z.boolean(),
  reasons: z.array(z.string()),
  /** Missing: nothing had been released there before, and everything is new. */
  release: z.object({ id: z.number(), run: z.number(), commit: z.string(), at: z.string() }).optional(),
  /** Over all parts. */
  found: z.object(counts),
  parts: z.array(
    z.object({
      /** `image NAME`, or `dependencies` of the source. */
      name: z.string(),
      /** Digests, or commits. */
      now: z.string(),
      was: z.string().optional(),
      /** In the new one and not in the released one; each list ends at 200, `found` has them all. */
      fresh: z.array(findingView),
      /** In the released one and not in the new one. */
      gone: z.array(findingView),
      /** Vulnerabilities of both that nobody knew of at the release. */
      learned: z.array(findingView),
      found: z.object(counts),
      databases: z.array(z.object({ ecosystem: z.string(), advisories: z.number(), updatedAt: z.string() })),
      notes: z.array(z.string()),
    }),
  ),
  /** Images of the release that are no part of this one. */
  removed: z.array(z.string()),
});
export type SinceReleaseView = z.output<typeof sinceReleaseView>;
export type SincePartView = SinceReleaseView['parts'][number];
