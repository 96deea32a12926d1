import { z } from 'zod';
import { status } from './run-views.ts';

export const reviewView = z.object({
  reviewer: z.string(),
  verdict: z.enum(['approve', 'reject']),
  version: z.number(),
  current: z.boolean(),
  comment: z.string(),
  at: z.string(),
});

export const changeView = z.object({
  id: z.number(),
  repository: z.string(),
  branch: z.string(),
  title: z.string(),
  state: z.enum(['open', 'merged', 'abandoned']),
  versions: z.array(
    z.object({ version: z.number(), base: z.string(), head: z.string(), tree: z.string(), pusher: z.string(), pushedAt: z.string() }),
  ),
  reviews: z.array(reviewView),
  runs: z.array(z.object({ id: z.number(), event: z.string(), version: z.number(), status })),
  merge: z
    .object({
      commit: z.string(),
      tree: z.string(),
      method: z.enum(['identical', 'mechanical-merge']),
      mergedBy: z.string(),
      mergedAt: z.string(),
    })
    .optional(),
});
export type ChangeView = z.output<typeof changeView>;
