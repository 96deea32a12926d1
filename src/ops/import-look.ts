import { z } from 'zod';
import { isDigest, type Digest } from '../kernel/digest.ts';
import type { ImageImport } from '../registry/imports.ts';
import type { RecordedFinding } from '../scan/record.ts';
import type { ImageFacts } from './scanners.ts';

const count = z.int().min(0);
/** Vulnerabilities by severity, and what else scanners found: `gaps` are what they could not look at. */
const counts = z.object({
  critical: count,
  high: count,
  medium: count,
  low: count,
  unknown: count,
  credentials: count,
  habits: count,
  gaps: count,
});
export type LookCounts = z.infer<typeof counts>;

const digest = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value));
const done = z.object({
  state: z.literal('done'),
  at: z.string(),
  record: digest,
  /** The list of its components; missing where it is too long to be kept. */
  sbom: digest.exactOptional(),
  found: counts,
  components: count,
  /** The newest import of that name before it, what this one has and that has not, and how much that had and this has not. */
  against: z.object({ import: z.int(), digest, fresh: counts, gone: count }).exactOptional(),
  image: z.object({ platforms: z.array(z.string()), systems: z.array(z.string()), bytes: count, root: z.boolean() }),
});
/** Nobody could look. `final`: it would come to the same again. */
const failed = z.object({
  state: z.literal('failed'),
  at: z.string(),
  why: z.string(),
  final: z.boolean(),
  record: digest.exactOptional(),
});
const look = z.discriminatedUnion('state', [done, failed]);

/** What scanners came to about exactly the digest of an import: what people see before they vouch for it. */
export type ImportLook = z.infer<typeof look>;
export type DoneLook = z.infer<typeof done>;

/** Undefined: nobody has looked yet, or not in a way that can be read. */
export function lookOf({ look: text }: Pick<ImageImport, 'look'>): ImportLook | undefined {
  if (text === undefined) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  const parsed = look.safeParse(json);
  return parsed.success ? parsed.data : undefined;
}

export function lookCounts(findings: readonly RecordedFinding[]): LookCounts {
  const of = (kind: RecordedFinding['kind']) => findings.filter((finding) => finding.kind === kind);
  const vulnerable = of('vulnerability');
  const rated = (severity: RecordedFinding['severity']) => vulnerable.filter((finding) => finding.severity === severity).length;
  return {
    critical: rated('critical'),
    high: rated('high'),
    medium: rated('medium'),
    low: rated('low'),
    unknown: rated('unknown'),
    credentials: of('secret').length,
    habits: of('image').length,
    gaps: of('gap').length,
  };
}

export function lookImage({ platforms, systems, bytes, root }: ImageFacts): DoneLook['image'] {
  return { platforms: [...platforms], systems: [...systems], bytes, root };
}
