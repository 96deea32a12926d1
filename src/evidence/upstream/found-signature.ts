import { z } from 'zod';

/**
 * One signature that hangs at somebody else's image, as it was found: cosign's simple signing at the tag `sha256-<hex>.sig`, or a Sigstore bundle
 * (a referrer). Nothing about it is verified.
 */
export const foundSignature = z.discriminatedUnion('form', [
  z.object({
    form: z.literal('cosign-tag'),
    /** Base64. */
    payload: z.string(),
    signature: z.string(),
    /** It came with a certificate instead of a key. */
    keyless: z.boolean(),
  }),
  z.object({ form: z.literal('bundle'), text: z.string() }),
]);
export type FoundSignature = z.infer<typeof foundSignature>;

/** What `cosign sign` says in a bundle; others are attestations. */
export const signPredicateType = 'https://sigstore.dev/cosign/sign/v1';

/** The most of each; an image with more is looked at so far, and the rest is said to be left out. */
export const signatureLimits = { signatures: 20, referrers: 50, payloadBytes: 64 * 1024, bundleBytes: 128 * 1024 } as const;
