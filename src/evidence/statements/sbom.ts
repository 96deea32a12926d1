import { z } from 'zod';
import type { SbomFacts } from '../facts.ts';
import { statementType, type Statement } from '../statement.ts';
import { imageSubject } from '../subjects.ts';

/** A CycloneDX document as predicate (in-toto/attestation spec/predicates/cyclonedx.md). */
export const sbomType = 'https://cyclonedx.org/bom';

/** What must be right about it before it is signed; the rest of its schema is the scanner's to keep. */
export const sbomPredicate = z.looseObject({
  bomFormat: z.literal('CycloneDX'),
  specVersion: z.string(),
  components: z.array(z.looseObject({ type: z.string(), name: z.string() })).exactOptional(),
});
export type Sbom = z.infer<typeof sbomPredicate>;

/** @throws ZodError when the document is not CycloneDX */
export function sbomStatement(facts: SbomFacts): Statement<Sbom> {
  return {
    _type: statementType,
    subject: [imageSubject(facts.image)],
    predicateType: sbomType,
    predicate: sbomPredicate.parse(facts.document),
  };
}
