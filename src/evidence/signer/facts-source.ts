import type { Digest } from '../../kernel/digest.ts';
import type { BuildFacts, ImportFacts, RescanFacts, ReviewFacts, SbomFacts, ScanFacts, StageFacts } from '../facts.ts';

/**
 * What the signer reads for itself, from the journal and the ledger. Each method throws NOT_FOUND when it did not happen: a run
 * that is not finished, a stage that did not pass, a commit that no review stands behind. Nothing in here comes from the request.
 */
export type FactsSource = {
  /** The merge that brought the run's commit. */
  review(run: number): Promise<ReviewFacts>;
  /** A stage that passed, in this run or in the one that it was reused from. */
  tests(run: number, stage: string): Promise<StageFacts>;
  /** An image that the run built and pushed, by its name in the pipeline file. */
  build(run: number, image: string): Promise<BuildFacts>;
  /** An import that was approved by enough others and whose content is in the registry. */
  import(number: number): Promise<ImportFacts>;
  /** A scan of the source that passed in this run. */
  scan(run: number, scan: 'secrets' | 'dependencies'): Promise<ScanFacts>;
  /** The scan of an image that passed before it was pushed. */
  imageScan(run: number, image: string): Promise<ScanFacts>;
  /** The newest look at an image since, whatever it found. */
  imageRescan(run: number, image: string): Promise<RescanFacts>;
  /** The list of components that the scan of an image made. */
  sbom(run: number, image: string): Promise<SbomFacts>;
  /** The scans that must have passed before an image of this run may go anywhere. Empty for runs that were planned before there were scans. */
  requiredScans(run: number): Promise<readonly ScanFacts['scan'][]>;
  /** The stages that must have passed before an image of this run may go anywhere; never empty. */
  requiredStages(run: number): Promise<readonly string[]>;
  /** Every recorded bundle about the image, as text; not verified by whoever keeps them. */
  papers(image: Digest): Promise<readonly string[]>;
  /** Papers about vulnerabilities of the image, newest in the ledger first; a few of them. */
  looks(image: Digest): Promise<readonly RecordedLook[]>;
  /** The ledger's head, and the proof that it extends the tree of the first `from` entries. */
  ledgerHead(from: number): Promise<{ readonly size: number; readonly root: string; readonly consistency: readonly string[] }>;
  /** What the gate should know. `recordedAt` is the time of the summary's entry in the ledger; the newest of a digest counts. */
  snapshot(): Promise<{
    /** Size of the ledger. */
    readonly sequence: number;
    readonly summaries: readonly { readonly bundle: string; readonly recordedAt: string }[];
    readonly revoked: readonly { readonly digest: Digest; readonly reason: string }[];
  }>;
};

/** A recorded paper that is read when it is needed. */
export type RecordedLook = {
  /** Of the bundle. */
  readonly paper: Digest;
  readonly recordedAt: string;
  read(): Promise<string>;
};
