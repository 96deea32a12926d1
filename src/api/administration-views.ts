import { z } from 'zod';

export const repositoryView = z.object({ name: z.string(), protectedBranch: z.string(), createdAt: z.string(), cloneUrl: z.string() });
export type RepositoryView = z.output<typeof repositoryView>;

export const environmentView = z.object({
  name: z.string(),
  kind: z.enum(['cluster', 'local']),
  namespace: z.string(),
  /** What names the pull secret in the cluster. */
  pullSecretOn: z.enum(['pods', 'service-accounts']),
  /** The external registry that it is deployed from; missing: Waybill's own. */
  registry: z.string().exactOptional(),
  /** Of a cluster that has had a release: until when the secret holds, and since when it could not be looked after, and why. */
  pullSecret: z
    .object({
      writtenAt: z.string().exactOptional(),
      expiresAt: z.string().exactOptional(),
      failingSince: z.string().exactOptional(),
      why: z.string().exactOptional(),
    })
    .exactOptional(),
});
