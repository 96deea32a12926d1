import { z } from 'zod';
import type { Digest } from '../../kernel/digest.ts';
import { snapshotImageSchema } from '../snapshot-schema.ts';
import type { SnapshotImage } from '../snapshot.ts';
import { statementType, type Statement } from '../statement.ts';
import { imageSubject, type Names } from '../subjects.ts';
import { vsaPredicate, vsaType, type Vsa } from './vsa.ts';

/** The VSA of an image, with our extension: the facts that a snapshot carries to the gate. */
export const imageSummaryPredicate = vsaPredicate.extend({ verificationResult: z.literal('PASSED'), waybill: snapshotImageSchema });
export type ImageSummary = Vsa & { readonly verificationResult: 'PASSED'; readonly waybill: SnapshotImage };

/** Levels 1 to 3 of SLSA's build track. */
export type BuildLevel = 1 | 2 | 3;

export type SummaryInput = {
  readonly image: SnapshotImage;
  readonly names: Names;
  readonly policy: Vsa['policy'];
  /** What the papers that were verified amount to, e.g. `SLSA_BUILD_LEVEL_3`. */
  readonly levels: readonly string[];
  /** Digests of the bundles that the verdict rests on. */
  readonly inputs: readonly { readonly predicateType: string; readonly digest: Digest }[];
  readonly at: Date;
};

export function summaryStatement(input: SummaryInput): Statement<ImageSummary> {
  return {
    _type: statementType,
    subject: [imageSubject(input.image)],
    predicateType: vsaType,
    predicate: {
      verifier: { id: input.names.builderId },
      timeVerified: input.at.toISOString(),
      resourceUri: input.names.imageUri(input.image.repository),
      policy: input.policy,
      inputAttestations: input.inputs.map(({ predicateType, digest }) => ({
        uri: predicateType,
        digest: { sha256: digest.slice('sha256:'.length) },
      })),
      verificationResult: 'PASSED',
      verifiedLevels: [...input.levels],
      slsaVersion: '1.2',
      waybill: input.image,
    },
  };
}
