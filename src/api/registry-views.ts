import { z } from 'zod';
import { mirrorView } from './mirror-views.ts';

export const collectedView = z.object({
  images: z.array(
    z.object({ repository: z.string(), digest: z.string(), tags: z.array(z.string()), fate: z.enum(['kept', 'removed']), why: z.string() }),
  ),
  manifests: z.number(),
  blobs: z.number(),
  bytes: z.number(),
  /** What went from the cache of other registries. */
  mirrored: z.object({ items: z.number(), bytes: z.number() }),
});

export const registryCheckView = z.object({
  damages: z.array(
    z.object({
      kind: z.enum(['blob-missing', 'blob-size', 'blob-digest', 'manifest-damaged', 'child-missing', 'tag-dangling']),
      digest: z.string(),
      message: z.string(),
      hits: z.array(z.string()),
      quarantined: z.string().exactOptional(),
    }),
  ),
  manifests: z.number(),
  blobs: z.number(),
  hashed: z.number(),
  strays: z.number(),
  /** The cache of other registries: how many blobs it has, and which were damaged and are fetched again. */
  mirrored: z.object({ blobs: z.number(), dropped: z.array(z.object({ server: z.string(), digest: z.string() })) }),
});

export const registryFindingView = z.object({
  registry: z.string(),
  server: z.string(),
  outcome: z.enum(['closed', 'open', 'unknown']),
  facts: z.array(z.object({ kind: z.enum(['good', 'bad', 'untold']), text: z.string() })),
});

export const registryUsageView = z.object({
  repositories: z.array(
    z.object({ repository: z.string(), images: z.number(), blobs: z.number(), bytes: z.number(), limit: z.number().exactOptional() }),
  ),
  bytes: z.number(),
  shared: z.number(),
  freeBytes: z.number(),
  /** What is cached of other registries; not in the numbers above. */
  mirrors: z.array(mirrorView),
});
