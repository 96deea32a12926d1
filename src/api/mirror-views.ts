import { z } from 'zod';

const mirrorFields = {
  name: z.string(),
  server: z.string(),
  prefix: z.string().exactOptional(),
  tagMs: z.number(),
  quotaBytes: z.number(),
  blobs: z.number(),
  manifests: z.number(),
  bytes: z.number(),
  /** Whether the registry answered when it was last asked; missing when it was not, since the server started. */
  answers: z.boolean().exactOptional(),
  why: z.string().exactOptional(),
};
export const mirrorView = z.object(mirrorFields);
export const mirrorContentsView = z.object({
  ...mirrorFields,
  images: z.array(
    z.object({
      repository: z.string(),
      digest: z.string(),
      tags: z.array(z.object({ tag: z.string(), checkedAt: z.string() })),
      fetchedAt: z.string(),
      usedAt: z.string(),
    }),
  ),
});
