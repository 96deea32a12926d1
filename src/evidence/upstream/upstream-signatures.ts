import { z } from 'zod';

/**
 * What is known about an upstream's signatures. `none`: none was found. `unchecked`: there are some, and no key is trusted for the image, or they come
 * with certificates, and no identity is. `verified`: at least one is by a trusted key, about this digest and this name. `bad`: there are some, keys
 * are trusted, and none of them made one that holds.
 */
export const upstreamSignatures = z.object({
  outcome: z.enum(['none', 'unchecked', 'verified', 'bad']),
  found: z.int().min(0),
  required: z.boolean(),
  verified: z.array(
    z.object({
      form: z.enum(['cosign-tag', 'bundle']),
      keyId: z.string(),
      identity: z.string().exactOptional(),
      images: z.string(),
      signedAs: z.string().exactOptional(),
    }),
  ),
  problems: z.array(z.string()),
});
export type UpstreamSignatures = z.infer<typeof upstreamSignatures>;
