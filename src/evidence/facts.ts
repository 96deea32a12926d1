import type { Digest } from '../kernel/digest.ts';
import type { GitOid } from '../kernel/git-oid.ts';
import type { UpstreamSignatures } from './upstream/upstream-signatures.ts';

/** What the journal shows to have happened, in the form from which statements are made. Plain data; no I/O behind it. */
export type SourceFacts = { readonly repository: string; readonly commit: GitOid; readonly tree: GitOid; readonly ref: string };

export type ReviewFacts = {
  readonly source: SourceFacts;
  readonly change: number;
  readonly version: number;
  readonly base: GitOid;
  readonly head: GitOid;
  readonly reviewedTree: GitOid;
  readonly onto: GitOid;
  readonly method: 'identical' | 'mechanical-merge';
  readonly approvals: readonly { readonly reviewer: string; readonly at: string }[];
  readonly authors: readonly string[];
  readonly mergedBy: string;
  readonly mergedAt: string;
};

export type StageFacts = {
  readonly source: SourceFacts;
  readonly run: number;
  readonly stage: string;
  /** The run whose execution this result comes from: another one when the stage was reused for the same tree. */
  readonly executedIn: number;
  readonly jobs: readonly { readonly name: string; readonly steps: number; readonly status: 'passed' }[];
  readonly startedAt: string;
  readonly finishedAt: string;
  /** Where the pipeline file that defined the stage comes from, when not from `source` itself. */
  readonly pipelineFile?: { readonly path: string; readonly commit: GitOid; readonly digest?: Digest };
};

/** A third-party image that was copied into the registry after people approved exactly this digest. */
export type ImportFacts = {
  readonly number: number;
  readonly image: { readonly repository: string; readonly digest: Digest };
  /** The upstream reference that was asked for. */
  readonly reference: string;
  readonly reason: string;
  readonly requestedBy: string;
  readonly requestedAt: string;
  /** By people who may review, other than whoever asked. */
  readonly approvals: readonly { readonly reviewer: string; readonly at: string }[];
  readonly importedAt: string;
  /** Judged by the signer itself where they verified; else what the server saw at the upstream. Undefined: nobody looked. */
  readonly signatures?: UpstreamSignatures;
  /** Absent: it was imported before there were scans. */
  readonly scan?: ImportScan;
};

/** What scanners found in a third-party image when it was copied. */
export type ImportScan = Pick<ScanFacts, 'record' | 'scanner' | 'finishedAt' | 'covered' | 'databases' | 'findings'>;

/** A scan that passed, as its record shows it. */
export type ScanFacts = {
  readonly source: SourceFacts;
  readonly run: number;
  readonly scan: 'secrets' | 'dependencies' | 'image';
  /** Of a scan of an image: which one. */
  readonly image?: { readonly repository: string; readonly digest: Digest };
  readonly record: Digest;
  readonly scanner: string;
  readonly startedAt: string;
  readonly finishedAt: string;
  /** What would have made it fail. */
  readonly level: string;
  readonly comparedWith?: string;
  readonly covered: { readonly files: number; readonly bytes: number; readonly components: number; readonly skipped: number };
  readonly rules?: { readonly count: number; readonly digest: Digest };
  readonly databases: readonly {
    readonly ecosystem: string;
    readonly advisories: number;
    readonly digest: Digest;
    readonly updatedAt: string;
  }[];
  readonly findings: readonly FoundFact[];
};

/** A look at an image that has its papers already: its list of components in newer advisories. It counts whether or not it found something. */
export type RescanFacts = ScanFacts & {
  readonly scan: 'image';
  /** The list of components that was looked up: the one that the first scan made. */
  readonly sbom: Digest;
  /** How old the advisories may have been, in days. */
  readonly databaseDays: number;
  /** When the journal was told of it. */
  readonly toldAt: string;
  /** When the looks before it were told or ended, the first one among them. */
  readonly before: readonly string[];
};

export type FoundFact = {
  readonly kind: 'secret' | 'vulnerability' | 'image' | 'gap';
  /** The advisory's, or the rule's. */
  readonly id: string;
  readonly severity: 'low' | 'medium' | 'high' | 'critical' | 'unknown';
  readonly isNew: boolean;
  /** The level forbids it, and nobody accepted it. */
  readonly fails: boolean;
  /** purl of the component. */
  readonly component?: string;
  readonly vector?: string;
  readonly fixed?: readonly string[];
  readonly waiver?: { readonly owner: string; readonly reason: string; readonly expires: string };
  /** Why it does no harm here, from VEX. */
  readonly notAffected?: string;
};

/** What an image consists of: a CycloneDX document. */
export type SbomFacts = {
  readonly source: SourceFacts;
  readonly run: number;
  readonly image: { readonly repository: string; readonly digest: Digest };
  readonly document: unknown;
};

export type NamedBase = { readonly reference: string; readonly digest: Digest };

export type BuildFacts = {
  readonly source: SourceFacts;
  readonly run: number;
  readonly image: { readonly name: string; readonly repository: string; readonly digest: Digest };
  readonly definition: unknown;
  readonly base?: NamedBase;
  /** Of an image from a Dockerfile, which may name several bases. */
  readonly dockerfile?: { readonly file: string; readonly engine: string; readonly bases: readonly NamedBase[] };
  readonly layers: readonly { readonly diffId: string; readonly digest: Digest; readonly from: string; readonly to: string }[];
  readonly compressor: string;
  readonly builder: string;
  readonly startedAt: string;
  readonly finishedAt: string;
};

/** Every image that this one was made of. */
export function basesOf(build: Pick<BuildFacts, 'base' | 'dockerfile'>): readonly NamedBase[] {
  return [...(build.base ? [build.base] : []), ...(build.dockerfile?.bases ?? [])];
}
