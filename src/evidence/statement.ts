import { z } from 'zod';
import { WaybillError } from '../kernel/error.ts';

/** in-toto Statement v1 (in-toto/attestation spec/v1/statement.md). */
export const statementType = 'https://in-toto.io/Statement/v1';

/** A digest set: algorithm → value in lower-case hex; all of one thing. `sha256`, `gitCommit` and `gitTree` are the ones used here. */
const digestSet = z
  .record(z.string().min(1).max(50), z.string().min(1).max(200))
  .refine((set) => Object.keys(set).length > 0 && Object.keys(set).length <= 16, 'has no digest');

const descriptor = z.object({
  name: z.string().max(2_000).exactOptional(),
  uri: z.string().max(2_000).exactOptional(),
  digest: digestSet,
  annotations: z.record(z.string(), z.unknown()).exactOptional(),
});

const statementSchema = z.object({
  _type: z.literal(statementType),
  subject: z.array(descriptor).min(1).max(1_000),
  predicateType: z
    .string()
    .min(1)
    .max(500)
    .regex(/^[A-Za-z][A-Za-z0-9+.-]*:\S+$/),
  predicate: z.record(z.string(), z.unknown()),
});

export type ResourceDescriptor = { readonly [K in keyof z.infer<typeof descriptor>]: z.infer<typeof descriptor>[K] };
export type Statement<Predicate = Readonly<Record<string, unknown>>> = {
  readonly _type: typeof statementType;
  readonly subject: readonly ResourceDescriptor[];
  readonly predicateType: string;
  readonly predicate: Predicate;
};

/** Unknown fields beside the known ones are ignored, as the specification demands. @throws WaybillError PAPER_MALFORMED */
export function parseStatement(value: unknown): Statement {
  const parsed = statementSchema.safeParse(value);
  if (!parsed.success)
    throw new WaybillError('PAPER_MALFORMED', `not an in-toto statement: ${z.prettifyError(parsed.error).slice(0, 500)}`);
  return parsed.data;
}

/**
 * True when the statement is about `subject`: `sha256:<hex>`, `gitCommit:<hex>` or `gitTree:<hex>`, compared exactly.
 * Whoever verifies a paper must ask this: a right signature says nothing about which thing is meant.
 */
export function subjectMatches(statement: Statement, subject: string): boolean {
  const at = subject.indexOf(':');
  const [algorithm, value] = [subject.slice(0, at), subject.slice(at + 1)];
  if (at < 1 || value === '') return false;
  return statement.subject.some((s) => Object.hasOwn(s.digest, algorithm) && s.digest[algorithm] === value);
}

/** Every subject as `algorithm:value`, for an index. */
export function subjectsOf(statement: Statement): string[] {
  return [...new Set(statement.subject.flatMap((s) => Object.entries(s.digest).map(([algorithm, value]) => `${algorithm}:${value}`)))];
}
