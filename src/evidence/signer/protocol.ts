import { z } from 'zod';
import { errorTable, type ErrorCode } from '../../kernel/error-table.ts';
import { isDigest, type Digest } from '../../kernel/digest.ts';
import type { KeyRingFile } from '../keys.ts';

/**
 * What a client may ask of the signer: one JSON object per line, one line of answer each. There is no verb that signs bytes of the caller's: a request
 * names a run, a stage and an image by their names, and the signer finds out for itself what happened.
 */
const run = z.int().min(1);
const name = z.string().min(1).max(200);

export const requestSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('review'), run, image: name.exactOptional() }),
  z.strictObject({ kind: z.literal('tests'), run, stage: name, image: name.exactOptional() }),
  z.strictObject({ kind: z.literal('scan'), run, scan: z.enum(['secrets', 'dependencies']), image: name.exactOptional() }),
  z.strictObject({ kind: z.literal('image-scan'), run, image: name }),
  z.strictObject({ kind: z.literal('image-rescan'), run, image: name }),
  z.strictObject({ kind: z.literal('sbom'), run, image: name }),
  z.strictObject({ kind: z.literal('provenance'), run, image: name }),
  z.strictObject({ kind: z.literal('summary'), run, image: name }),
  z.strictObject({ kind: z.literal('import'), number: z.int().min(1) }),
  z.strictObject({ kind: z.literal('checkpoint') }),
  z.strictObject({ kind: z.literal('snapshot') }),
  z.strictObject({ kind: z.literal('keys') }),
]);
export type SignerRequest = z.infer<typeof requestSchema>;

const paper = z.object({
  predicateType: z.string(),
  subjects: z.array(z.string()).readonly(),
  bundle: z.string(),
  digest: z.custom<Digest>((value) => typeof value === 'string' && isDigest(value)),
});
const papers = z.object({ papers: z.array(paper).min(1).readonly() });

/** What each request is answered with. */
export const answerSchemas = {
  review: papers,
  tests: papers,
  scan: papers,
  'image-scan': papers,
  'image-rescan': papers,
  sbom: papers,
  provenance: papers,
  /** The VSA, and the image's signature in cosign's simple form. */
  summary: papers.extend({ signature: z.object({ payload: z.string(), signature: z.string() }) }),
  /** The import paper, its summary, and the image's signature in cosign's simple form. */
  import: papers.extend({ signature: z.object({ payload: z.string(), signature: z.string() }) }),
  /** A signed note. */
  checkpoint: z.object({ note: z.string() }),
  /** A DSSE envelope, see `verifySnapshot`. */
  snapshot: z.object({ envelope: z.string() }),
  /** Public keys: a key ring file and a note's verifier key. */
  keys: z.object({ ring: z.custom<KeyRingFile>((value) => typeof value === 'object' && value !== null), checkpoint: z.string() }),
} as const;
export type SignerAnswers = { readonly [K in SignerRequest['kind']]: z.infer<(typeof answerSchemas)[K]> };
export type SignerAnswer = SignerAnswers[SignerRequest['kind']];

export const replySchema = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), answer: z.unknown() }),
  z.object({
    ok: z.literal(false),
    error: z.object({
      code: z.custom<ErrorCode>((value) => typeof value === 'string' && Object.hasOwn(errorTable, value)),
      detail: z.string(),
      fix: z.string(),
    }),
  }),
]);

/** In bytes. */
export const largestRequest = 1024 * 1024;
export const largestReply = 16 * 1024 * 1024;
