import { z } from 'zod';
import { WaybillError } from '../kernel/error.ts';

/** What is asked of an image. `snapshot` is the age of the gate's own knowledge; it only ever warns. */
export const ruleNames = [
  'object',
  'reference',
  'registry',
  'digest',
  'papers',
  'validity',
  'revoked',
  'review',
  'tests',
  'provenance',
  'scans',
  'imports',
  'snapshot',
] as const;
export type RuleName = (typeof ruleNames)[number];

const mode = z.enum(['enforce', 'warn', 'audit']);
/** `enforce` denies, `warn` admits with a warning, `audit` admits and only records. */
export type PolicyMode = z.infer<typeof mode>;

const registryEntry = z
  .string()
  .max(255)
  .regex(
    /^(?:localhost|[a-z0-9-]+(?:\.[a-z0-9-]+)+|[a-z0-9-]+(?=:))(?::[0-9]{1,5})?(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*$/,
    'must be a host with a dot or a port, in lower case, and may have a path: registry.example:5000 or registry.example/team',
  );

const namespaceName = z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'must be the name of a namespace');

const requirements = z.strictObject({
  review: z.strictObject({
    /** How many different people must have approved. 0 asks for no review. */
    approvals: z.int().min(0).max(20).default(1),
    /** The built tree is the reviewed one; a `mechanical-merge` is not enough. */
    identical: z.boolean().optional(),
  }),
  /** `all`: there are stages, and every one passed. A list: each of these passed. */
  tests: z.union([z.literal('all'), z.array(z.string().min(1).max(63)).max(100)]),
  provenance: z.boolean(),
  /** Absent: images that were never scanned are admitted. */
  scans: z
    .strictObject({
      /** A scan for credentials, and a list of components. */
      secrets: z.boolean().default(true),
      sbom: z.boolean().default(true),
      /** That source and image were looked up in the advisories; and what must not be open in them. */
      vulnerabilities: z
        .union([
          z.boolean(),
          z.strictObject({
            /** The worst that is open must be below this. */
            below: z.enum(['low', 'medium', 'high', 'critical']).optional(),
            /** For how many days an image that became worse than that only after it was built is admitted with a warning. Without it, not at all. */
            graceDays: z.int().min(1).max(365).optional(),
            /** How old the newest look may be. */
            days: z.int().min(1).max(3_650).optional(),
            /** How old the advisories may have been when it was looked up. */
            databaseDays: z.int().min(1).max(3_650).optional(),
          }),
        ])
        .default(true),
    })
    .optional(),
  /** Third-party images: how many people must have vouched for one besides whoever asked for it; false admits none. Default: one. */
  imports: z
    .union([
      z.literal(false),
      z.strictObject({
        approvals: z.int().min(1).max(20).default(1),
        /** Signed upstream by a key that an administrator trusts for such images. */
        signed: z.boolean().optional(),
      }),
    ])
    .prefault({}),
});

const evidencePolicy = z
  .strictObject({
    /** Allowed registries: `host`, `host:port`, with an optional `/prefix` that matches whole path segments. */
    registry: z.array(registryEntry).min(1).max(100),
    /**
     * Where runs publish copies (`images[].publish`): the repository `shop/web` is `REGISTRY/shop/web` there, or `REGISTRY/shop-web` when flat. A copy has the
     * digest of the image, and so the papers of the image, for exactly that name.
     */
    copies: z
      .array(z.strictObject({ registry: registryEntry, naming: z.enum(['path', 'flat']).default('path') }))
      .max(100)
      .optional(),
    mode,
    /** A mode of its own for one rule. */
    rules: z.partialRecord(z.enum(ruleNames), mode).optional(),
    require: requirements,
  })
  .refine((policy) => policy.mode === 'audit' || requiresSomething(policy.require), {
    path: ['require'],
    message: 'asks for nothing, so every image would pass: ask for a review, tests or provenance, or set `mode: audit`',
  });

/** The rules for the images of a namespace. A policy that asks for nothing exists only in mode `audit`. */
export type EvidencePolicy = z.infer<typeof evidencePolicy>;

/** Which policy holds where. Namespaces are compared by their exact name; labels, which an editor can set, play no part. */
export type PolicySet = {
  readonly default: EvidencePolicy;
  readonly namespaces: Readonly<Record<string, EvidencePolicy>>;
  readonly exemptNamespaces: readonly string[];
};

const policySet = z.strictObject({
  default: evidencePolicy,
  namespaces: z.record(namespaceName, evidencePolicy).default({}),
  exemptNamespaces: z.array(namespaceName).max(20).default(['kube-system']),
});

function requiresSomething(require: z.infer<typeof requirements>): boolean {
  return (
    require.review.approvals > 0 ||
    require.review.identical === true ||
    require.tests === 'all' ||
    require.tests.length > 0 ||
    require.provenance ||
    (require.scans !== undefined && (require.scans.secrets || require.scans.sbom || require.scans.vulnerabilities !== false))
  );
}

function parse<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.slice(0, 5).map((issue) => `${issue.path.join('.') || what}: ${issue.message}`);
  throw new WaybillError('INVALID_INPUT', `${what}: ${issues.join('; ')}`);
}

/** @throws WaybillError INVALID_INPUT that names the fields */
export function parseEvidencePolicy(value: unknown): EvidencePolicy {
  return parse(evidencePolicy, value, 'evidence policy');
}

/**
 * Reads a policy set from parsed YAML or JSON. The gate's own namespace is always exempt: with `failurePolicy: Fail` it
 * could not start again otherwise. A namespace that is exempt and has a policy as well is a mistake and is refused.
 * @throws WaybillError INVALID_INPUT that names the fields
 */
export function parsePolicySet(value: unknown, options: { readonly ownNamespace: string }): PolicySet {
  const parsed = parse(policySet, value, 'policy set');
  const exemptNamespaces = [...new Set([...parsed.exemptNamespaces, parse(namespaceName, options.ownNamespace, 'own namespace')])];
  const both = exemptNamespaces.find((name) => Object.hasOwn(parsed.namespaces, name));
  if (both !== undefined)
    throw new WaybillError('INVALID_INPUT', `policy set: namespace ${both} is exempt and has a policy; it can only be one`);
  return { ...parsed, exemptNamespaces };
}

/** The policy of a namespace; `exempt` where the gate does not judge. Without a namespace (cluster scope) the default holds. */
export function policyFor(set: PolicySet, namespace: string | undefined): EvidencePolicy | 'exempt' {
  if (namespace === undefined) return set.default;
  if (set.exemptNamespaces.includes(namespace)) return 'exempt';
  // `constructor` is a valid name of a namespace, so only own properties count.
  return (Object.hasOwn(set.namespaces, namespace) ? set.namespaces[namespace] : undefined) ?? set.default;
}
