import { z } from 'zod';

const status = z.enum(['waiting', 'running', 'passed', 'reused', 'failed', 'skipped', 'cancelled', 'interrupted']);
const times = { status, startedAt: z.string().optional(), finishedAt: z.string().optional(), reason: z.string().optional() };

export const personView = z.object({
  id: z.string(),
  name: z.string(),
  emails: z.array(z.string()),
  role: z.enum(['developer', 'reviewer', 'admin']),
});
export type PersonView = z.output<typeof personView>;

export const tokenView = z.object({
  id: z.string(),
  person: z.string(),
  label: z.string(),
  createdAt: z.string(),
  expiresAt: z.string().optional(),
});

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

export const severity = z.enum(['low', 'medium', 'high', 'critical', 'unknown']);

/** One finding of a scan. It never holds a credential. */
export const findingView = z.object({
  kind: z.enum(['secret', 'vulnerability', 'image', 'gap']),
  /** The rule, or the advisory. */
  id: z.string(),
  key: z.string(),
  severity,
  title: z.string(),
  fix: z.string(),
  /** `path:line`, and the layer or the newest commits where that says more. */
  where: z.array(z.string()),
  isNew: z.boolean(),
  fails: z.boolean(),
  /** purl of the component, versions that fix it, and how it came in. */
  component: z.string().optional(),
  fixed: z.array(z.string()).optional(),
  paths: z.array(z.array(z.string())).optional(),
  /** What a waiver would name. */
  fingerprint: z.string().optional(),
  waiver: z.object({ reason: z.string(), owner: z.string(), expires: z.string() }).optional(),
  notAffected: z.string().optional(),
});
export type FindingView = z.output<typeof findingView>;

/** The record of a scan: what it looked at, what it found, what the gate said. */
export const scanView = z.object({
  /** `secrets`, `dependencies`, `image NAME`, or `image NAME, looked at again`. */
  name: z.string(),
  record: z.string(),
  scanner: z.string(),
  passed: z.boolean(),
  level: z.string(),
  reasons: z.array(z.string()),
  notes: z.array(z.string()),
  comparedWith: z.string().optional(),
  startedAt: z.string(),
  finishedAt: z.string(),
  covered: z.object({
    files: z.number(),
    bytes: z.number(),
    components: z.number(),
    rules: z.number().optional(),
    databases: z.array(z.object({ ecosystem: z.string(), advisories: z.number(), updatedAt: z.string() })),
    skipped: z.array(z.object({ path: z.string(), reason: z.string(), detail: z.string() })),
    skippedCount: z.number(),
  }),
  findings: z.array(findingView),
  findingCount: z.number(),
});
export type ScanView = z.output<typeof scanView>;

/** Advisories of one ecosystem, or why they could not be brought. */
export const advisoryStateView = z.object({
  ecosystem: z.string(),
  outcome: z.enum(['updated', 'unchanged', 'failed']).optional(),
  advisories: z.number().optional(),
  packages: z.number().optional(),
  digest: z.string().optional(),
  updatedAt: z.string().optional(),
  source: z.string().optional(),
  error: z.string().optional(),
});
export type AdvisoryStateView = z.output<typeof advisoryStateView>;

/** What a scan came to; its record is under `/runs/RUN/scans`. */
export const scanned = z.object({
  record: z.string(),
  passed: z.boolean(),
  level: z.string(),
  found: z.object({ failing: z.number(), new: z.number(), known: z.number(), waived: z.number() }),
});

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

/** A node of `waybill trace`: what it is, what it is called, what is known of it, and what it leads to. */
export type TraceNode = {
  kind: 'workload' | 'release' | 'image' | 'import' | 'paper' | 'run' | 'stage' | 'change' | 'review' | 'commit' | 'person' | 'ledger';
  name: string;
  detail: Record<string, string>;
  children: TraceNode[];
};
export const traceNode: z.ZodType<TraceNode> = z.lazy(() =>
  z.object({
    kind: z.enum(['workload', 'release', 'image', 'import', 'paper', 'run', 'stage', 'change', 'review', 'commit', 'person', 'ledger']),
    name: z.string(),
    detail: z.record(z.string(), z.string()),
    children: z.array(traceNode),
  }),
);

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
