import { z } from 'zod';
import { hexOf } from '../../kernel/digest.ts';
import { basesOf, type BuildFacts } from '../facts.ts';
import { statementType, type ResourceDescriptor, type Statement } from '../statement.ts';
import { imageSubject, sourceSubject, type Names } from '../subjects.ts';

/** SLSA provenance v1 (slsa.dev/spec/v1.1/provenance). */
export const provenanceType = 'https://slsa.dev/provenance/v1';
/** Files of a reviewed source tree become layers on a base image, without a step in between. */
export const layersBuildType = 'https://waybill.dev/layers/v1';
/** The instructions of a Dockerfile of a reviewed source tree run in a container engine that sees nothing else. */
export const dockerfileBuildType = 'https://waybill.dev/dockerfile/v1';

const resource = z.object({
  name: z.string().exactOptional(),
  uri: z.string().exactOptional(),
  digest: z.record(z.string(), z.string()).exactOptional(),
  annotations: z.record(z.string(), z.unknown()).exactOptional(),
});

export const provenancePredicate = z.object({
  buildDefinition: z.object({
    buildType: z.enum([layersBuildType, dockerfileBuildType]),
    externalParameters: z.object({
      repository: z.string(),
      ref: z.string(),
      image: z.object({ name: z.string(), definition: z.unknown() }),
    }),
    internalParameters: z.object({ run: z.int(), compressor: z.string(), engine: z.string().exactOptional() }),
    resolvedDependencies: z.array(resource).min(1),
  }),
  runDetails: z.object({
    builder: z.object({ id: z.string(), version: z.record(z.string(), z.string()).exactOptional() }),
    metadata: z.object({ invocationId: z.string(), startedOn: z.string(), finishedOn: z.string() }),
    byproducts: z.array(resource),
  }),
});
export type Provenance = z.infer<typeof provenancePredicate>;

/** Every field comes from the control plane's own records; none from a step. */
export function provenanceStatement(facts: BuildFacts, names: Names): Statement<Provenance> {
  return {
    _type: statementType,
    subject: [imageSubject(facts.image)],
    predicateType: provenanceType,
    predicate: {
      buildDefinition: {
        buildType: facts.dockerfile ? dockerfileBuildType : layersBuildType,
        externalParameters: {
          repository: names.repositoryUri(facts.source.repository),
          ref: facts.source.ref,
          image: { name: facts.image.name, definition: facts.definition },
        },
        internalParameters: {
          run: facts.run,
          compressor: facts.compressor,
          ...(facts.dockerfile ? { engine: facts.dockerfile.engine } : {}),
        },
        resolvedDependencies: [sourceSubject(facts.source, names), ...basesOf(facts).map(baseImage)],
      },
      runDetails: {
        builder: { id: names.builderId, version: { waybill: facts.builder } },
        metadata: { invocationId: `run/${facts.run}/image/${facts.image.name}`, startedOn: facts.startedAt, finishedOn: facts.finishedAt },
        byproducts: facts.layers.map((layer) => ({
          name: `layer ${layer.from} → ${layer.to}`,
          digest: { sha256: hexOf(layer.digest) },
          annotations: { diffId: layer.diffId },
        })),
      },
    },
  };
}

function baseImage(base: { reference: string; digest: BuildFacts['image']['digest'] }): ResourceDescriptor {
  return { name: base.reference, uri: `oci://${base.reference}`, digest: { sha256: hexOf(base.digest) } };
}
