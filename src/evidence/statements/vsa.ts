import { z } from 'zod';

/** SLSA Verification Summary Attestation v1 (slsa.dev/spec/v1.1/verification_summary). */
export const vsaType = 'https://slsa.dev/verification_summary/v1';

const attestation = z.object({ uri: z.string().exactOptional(), digest: z.record(z.string(), z.string()) });

export const vsaPredicate = z.object({
  verifier: z.object({ id: z.string() }),
  timeVerified: z.iso.datetime({ offset: true }),
  resourceUri: z.string(),
  policy: z.object({ uri: z.string(), digest: z.record(z.string(), z.string()).exactOptional() }),
  inputAttestations: z.array(attestation).exactOptional(),
  verificationResult: z.enum(['PASSED', 'FAILED']),
  verifiedLevels: z.array(z.string()),
  slsaVersion: z.string().exactOptional(),
});
export type Vsa = z.infer<typeof vsaPredicate>;
