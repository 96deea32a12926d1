import { z } from 'zod';

/** What is known about the signatures of an upstream. */
export const upstreamSignaturesView = z.object({
  outcome: z.enum(['none', 'unchecked', 'verified', 'bad']),
  found: z.number(),
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

export const upstreamTrustView = z.object({
  id: z.number(),
  images: z.string(),
  keyId: z.string(),
  publicKey: z.string().exactOptional(),
  identity: z.string().exactOptional(),
  issuer: z.string().exactOptional(),
  required: z.boolean(),
  signedAs: z.string().exactOptional(),
  addedBy: z.string(),
  addedAt: z.string(),
});

/** Vulnerabilities by severity, and what else was found. */
const lookCounts = z.object({
  critical: z.number(),
  high: z.number(),
  medium: z.number(),
  low: z.number(),
  unknown: z.number(),
  credentials: z.number(),
  /** Set-uid files, shells, package managers, root. */
  habits: z.number(),
  /** What nobody could look at. */
  gaps: z.number(),
});

/** What scanners came to about exactly the digest of an import, before the copy or at it. */
export const importLookView = z.discriminatedUnion('state', [
  z.object({ state: z.literal('waiting') }),
  z.object({ state: z.literal('failed'), at: z.string(), why: z.string() }),
  z.object({
    state: z.literal('done'),
    at: z.string(),
    /** Digests of the record of the scan, and of the list of components. */
    record: z.string(),
    sbom: z.string().exactOptional(),
    found: lookCounts,
    components: z.number(),
    /** The newest import of that name before it: what this one has and that has not, and how much that had and this has not. */
    against: z.object({ import: z.number(), digest: z.string(), fresh: lookCounts, gone: z.number() }).exactOptional(),
    image: z.object({ platforms: z.array(z.string()), systems: z.array(z.string()), bytes: z.number(), root: z.boolean() }),
  }),
]);
export type ImportLookView = z.output<typeof importLookView>;

export const importView = z.object({
  id: z.number(),
  reference: z.string(),
  digest: z.string(),
  repository: z.string(),
  reason: z.string(),
  requestedBy: z.string(),
  requestedAt: z.string(),
  state: z.enum(['requested', 'approved', 'imported', 'rejected']),
  approvals: z.array(z.object({ reviewer: z.string(), at: z.string() })),
  importedAt: z.string().exactOptional(),
  why: z.string().exactOptional(),
  /** Missing: asked for before signatures were looked for. */
  signatures: upstreamSignaturesView.exactOptional(),
  /** Digest of the record of its scan. Missing: not copied yet, or before there were scans. */
  scan: z.string().exactOptional(),
  look: importLookView,
});
export type ImportView = z.output<typeof importView>;
