import { z } from 'zod';

export const externalRegistryView = z.object({
  name: z.string(),
  server: z.string(),
  kind: z.enum(['basic', 'acr', 'ecr', 'gar']),
  prefix: z.string().exactOptional(),
  naming: z.enum(['path', 'flat']),
  uses: z.array(z.enum(['publish', 'import', 'mirror'])),
  repositories: z.array(z.string()),
  tokenHost: z.string().exactOptional(),
  createRepositories: z.boolean(),
  anonymous: z.boolean(),
  mirror: z.object({ tagSeconds: z.number(), quotaBytes: z.number() }).exactOptional(),
  createdAt: z.string(),
});

const allowedView = z.union([z.enum(['allowed', 'missing']), z.object({ refused: z.string() })]);
export const externalCheckView = z.object({
  name: z.string(),
  server: z.string(),
  /** Where it was tried. */
  repository: z.string(),
  expiresAt: z.string().exactOptional(),
  pull: allowedView,
  push: allowedView,
  referrers: z.boolean().exactOptional(),
  /** Whether there is a credential for clusters, and whether it could push all the same. */
  pullCredential: z.enum(['none', 'pulls', 'pushes', 'refused']),
});
