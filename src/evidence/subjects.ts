import { hexOf, type Digest } from '../kernel/digest.ts';
import type { SourceFacts } from './facts.ts';
import type { ResourceDescriptor } from './statement.ts';

/** How things are named in papers; from the configuration, the same for all papers of one Waybill. */
export type Names = {
  /** `builder.id` of SLSA provenance and `verifier.id` of summaries. */
  readonly builderId: string;
  /** `git+https://…` of a repository: SPDX download location, as SLSA's source track asks. */
  repositoryUri(repository: string): string;
  /** `oci://host/shop/shop` for a repository in the registry. */
  imageUri(repository: string): string;
};

/** An image as it is named in papers. */
export type ImageSubject = { readonly repository: string; readonly digest: Digest };

export function imageSubject(image: ImageSubject): ResourceDescriptor {
  return { name: image.repository, digest: { sha256: hexOf(image.digest) } };
}

/** Commit and tree in one digest set: SLSA source track, "Summary attestation". */
export function sourceSubject(source: SourceFacts, names: Names): ResourceDescriptor {
  const repository = names.repositoryUri(source.repository);
  return {
    name: source.repository,
    uri: `${repository}@${source.commit}`,
    digest: { gitCommit: source.commit, gitTree: source.tree },
    annotations: { source_refs: [source.ref] },
  };
}
