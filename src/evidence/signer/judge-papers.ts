import { digestOf, hexOf, type Digest } from '../../kernel/digest.ts';
import {
  basesOf,
  type BuildFacts,
  type ImportFacts,
  type NamedBase,
  type ReviewFacts,
  type ScanFacts,
  type SourceFacts,
} from '../facts.ts';
import { WaybillError, messageOf } from '../../kernel/error.ts';
import { baseFactsIn, type BaseFacts } from '../base-facts.ts';
import type { KeyRing } from '../keys.ts';
import type { ScanSummary } from '../snapshot.ts';
import { subjectMatches, type Statement } from '../statement.ts';
import { dockerfileBuildType, layersBuildType, provenancePredicate, provenanceType } from '../statements/provenance.ts';
import { reviewPredicate, reviewType, type ReviewPredicate } from '../statements/review.ts';
import { testResultPredicate, testResultType } from '../statements/tests.ts';
import { verifyBundle } from '../verify.ts';
import { scanPapers } from './judge-scans.ts';
import { requireSource } from './require-source.ts';

export type Judgement = {
  readonly review: ReviewPredicate;
  /** Required stages, each with a paper that it passed. */
  readonly stages: readonly string[];
  /** What the papers of scans say; absent when none is asked for and none is there. */
  readonly scans?: ScanSummary;
  /** The papers that the judgement rests on. */
  readonly inputs: readonly { readonly predicateType: string; readonly digest: Digest }[];
};

/**
 * The verdict about an image: a review, a provenance, one passed tests paper per required stage and the papers of the scans, each with a right signature, all
 * about this digest and about this commit and tree. Papers that do not verify count for nothing, whoever recorded them.
 * @throws WaybillError VERDICT_REFUSED with everything that is missing
 */
export function judgePapers(input: {
  readonly build: BuildFacts;
  readonly requiredStages: readonly string[];
  readonly requiredScans: readonly ScanFacts['scan'][];
  readonly papers: readonly string[];
  readonly builderId: string;
  readonly ring: KeyRing;
  readonly at: Date;
}): Judgement {
  const { build, requiredStages, papers, ring, at } = input;
  const passed = new Set<string>();
  const inputs: { predicateType: string; digest: Digest }[] = [];
  const put: string[] = [];
  let review: ReviewPredicate | undefined;
  let provenance = false;
  const scans = scanPapers(build);
  for (const bundle of papers) {
    let statement: Statement;
    try {
      statement = verifyBundle(bundle, ring, at).statement;
      if (!subjectMatches(statement, build.image.digest)) throw new WaybillError('PAPER_MALFORMED', 'it is about another image');
      if (statement.predicateType === reviewType) review = judgeReview(statement, build.source);
      else if (statement.predicateType === provenanceType) {
        judgeProvenance(statement, build, input.builderId);
        provenance = true;
      } else if (statement.predicateType === testResultType) {
        const stage = judgeTests(statement, build.source);
        if (!requiredStages.includes(stage)) continue;
        passed.add(stage);
      } else if (!scans.take(statement)) continue;
    } catch (error) {
      put.push(`a paper (${digestOf(bundle).slice(0, 19)}…) does not count: ${messageOf(error)}`);
      continue;
    }
    inputs.push({ predicateType: statement.predicateType, digest: digestOf(bundle) });
  }
  const missing = [
    ...(review ? [] : ['there is no review']),
    ...(provenance ? [] : ['there is no provenance']),
    ...scans.missing(input.requiredScans),
    ...(requiredStages.length === 0 ? ['no stage is required, and nothing can be vouched for without tests'] : []),
    ...requiredStages
      .filter((stage) => !passed.has(stage))
      .map((stage) => `there is no passed tests paper of the stage ${JSON.stringify(stage)}`),
  ];
  if (!review || missing.length > 0)
    throw new WaybillError(
      'VERDICT_REFUSED',
      `${build.image.digest} (commit ${build.source.commit}): ${[...missing, ...put].join('; ').slice(0, 4_000)}`,
    );
  const summary = scans.summary();
  return { review, stages: [...new Set(requiredStages)], ...(summary ? { scans: summary } : {}), inputs };
}

function judgeReview(statement: Statement, source: SourceFacts): ReviewPredicate {
  requireSource(statement.subject, source);
  const review = reviewPredicate.parse(statement.predicate);
  requireReview(review, source.tree);
  return review;
}

/** The rules that hold for facts before they are signed, and for papers when they are read again. */
export function requireReview(
  review: Pick<ReviewFacts, 'approvals' | 'authors' | 'method'> & { readonly reviewedTree: string },
  tree: string,
): void {
  const refuse = (what: string) => new WaybillError('VERDICT_REFUSED', what);
  if (review.approvals.length === 0) throw refuse('nobody approved the change');
  const own = review.approvals.find((approval) => review.authors.includes(approval.reviewer));
  if (own) throw refuse(`${own.reviewer} approved a change of their own`);
  if (review.method === 'identical' && review.reviewedTree !== tree)
    throw refuse(`the reviewed tree ${review.reviewedTree} is not the merged ${tree}`);
}

/** An import is vouched for by somebody else than whoever asked for it. */
export function requireVouched({ number, approvals, requestedBy }: Pick<ImportFacts, 'number' | 'approvals' | 'requestedBy'>): void {
  if (approvals.length === 0) throw new WaybillError('VERDICT_REFUSED', `nobody approved import ${number}`);
  if (approvals.some((approval) => approval.reviewer === requestedBy))
    throw new WaybillError('VERDICT_REFUSED', `${requestedBy} approved import ${number}, which is their own`);
}

/**
 * What an image is built upon must have its own papers: otherwise layers that nobody reviewed or tested, or that somebody put onto the registry's
 * disk, would come under a summary as the base of something that was.
 * @throws WaybillError VERDICT_REFUSED unless one of `papers` is a summary of the base that still holds
 * @returns what those that hold say, for the policy on bases
 */
export function requireBase(base: NamedBase, papers: readonly string[], ring: KeyRing, at: Date): readonly BaseFacts[] {
  const holding = baseFactsIn(papers, base.digest, ring, at);
  if (holding.length === 0)
    throw new WaybillError('VERDICT_REFUSED', `its base ${base.reference} (${base.digest}) has no summary that holds`, {
      fix: 'Build the base again by a run of this Waybill, and name the new digest.',
    });
  return holding;
}

function judgeProvenance(statement: Statement, build: BuildFacts, builderId: string): void {
  const { buildDefinition, runDetails } = provenancePredicate.parse(statement.predicate);
  requireSource(buildDefinition.resolvedDependencies, build.source);
  if (buildDefinition.buildType !== (build.dockerfile ? dockerfileBuildType : layersBuildType))
    throw new WaybillError('PAPER_MALFORMED', `it says that the image was built as ${buildDefinition.buildType}`);
  for (const { reference, digest } of basesOf(build))
    if (!buildDefinition.resolvedDependencies.some((each) => each.digest?.['sha256'] === hexOf(digest)))
      throw new WaybillError('PAPER_MALFORMED', `it does not name the base ${reference}`);
  if (runDetails.builder.id !== builderId) throw new WaybillError('PAPER_MALFORMED', `it names the builder ${runDetails.builder.id}`);
  if (buildDefinition.externalParameters.image.name !== build.image.name)
    throw new WaybillError('PAPER_MALFORMED', `it is about the image ${buildDefinition.externalParameters.image.name}`);
  const layers = build.layers.map((layer) => hexOf(layer.digest)).join();
  if (runDetails.byproducts.map((layer) => layer.digest?.sha256).join() !== layers)
    throw new WaybillError('PAPER_MALFORMED', 'it names other layers than the build made');
}

function judgeTests(statement: Statement, source: SourceFacts): string {
  requireSource(statement.subject, source);
  const tests = testResultPredicate.parse(statement.predicate);
  if (tests.result !== 'PASSED' || (tests.failedTests?.length ?? 0) > 0 || (tests.passedTests?.length ?? 0) === 0)
    throw new WaybillError('PAPER_MALFORMED', `the stage ${JSON.stringify(tests.waybill.stage)} did not pass`);
  return tests.waybill.stage;
}
