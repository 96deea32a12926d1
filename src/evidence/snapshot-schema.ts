import { z } from 'zod';
import { isDigest, type Digest } from '../kernel/digest.ts';
import { isGitOid, type GitOid } from '../kernel/git-oid.ts';

const digest = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value), 'is not a digest');
const oid = z.custom<GitOid>((value) => typeof value === 'string' && isGitOid(value), 'is not a full Git object name');
const time = z.iso.datetime({ offset: true });
const text = z.string().max(2_000);

const builtSchema = z.object({
  digest,
  repository: text.min(1),
  imported: z.never().exactOptional(),
  source: z.object({ repository: text.min(1), commit: oid, tree: oid }),
  review: z
    .object({ change: z.int(), method: z.enum(['identical', 'mechanical-merge']), approvals: z.array(text).max(100) })
    .exactOptional(),
  tests: z.array(z.object({ stage: text, passed: z.boolean() })).max(100),
  provenance: z.boolean(),
  scans: z
    .object({
      secrets: z.object({ at: time }).exactOptional(),
      sbom: z.literal(true).exactOptional(),
      vulnerabilities: z
        .object({
          at: time,
          worst: z.enum(['low', 'medium', 'high', 'critical', 'unknown']).exactOptional(),
          databaseAt: time.exactOptional(),
          since: z.partialRecord(z.enum(['low', 'medium', 'high', 'critical', 'unknown']), time).exactOptional(),
        })
        .exactOptional(),
    })
    .exactOptional(),
  run: z.int(),
  validUntil: time,
});

const importedSchema = z.object({
  digest,
  repository: text.min(1),
  imported: z.object({
    number: z.int(),
    reference: text,
    requestedBy: text,
    approvals: z.array(text).max(100),
    signedBy: z.array(text).min(1).max(10).exactOptional(),
  }),
  validUntil: time,
});

/** The parser of `SnapshotImage`. */
export const snapshotImageSchema = z.union([importedSchema, builtSchema]);

/** The parser of `Snapshot`. Strict about what it knows; unknown fields are dropped, so that an older gate reads a newer snapshot. */
export const snapshotSchema = z.object({
  version: z.literal(1),
  sequence: z.int().min(0),
  issuedAt: time,
  expiresAt: time,
  images: z.array(snapshotImageSchema).max(1_000_000),
  revoked: z.array(z.object({ digest, reason: text })).max(1_000_000),
});
