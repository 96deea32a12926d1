import type { Digest } from '../kernel/digest.ts';
import type { GitOid } from '../kernel/git-oid.ts';
import type { ChangeId, PersonId, RepositoryName, RunId } from '../kernel/ids.ts';
import type { Event } from '../plan/event.ts';
import type { Plan } from '../plan/plan.ts';
import type { ScanLevel, TreeScan } from '../plan/scan-levels.ts';

/** How a piece of work ended. */
export type Outcome = 'passed' | 'failed' | 'cancelled' | 'interrupted' | 'skipped';

/** A run's first event: everything that it will ever be told from outside. */
export type RunCreated = {
  readonly type: 'run-created';
  readonly repository: RepositoryName;
  readonly event: Event;
  readonly commit: GitOid;
  readonly tree: GitOid;
  /** Only a reviewed commit can be built into an image (trust.md, "Privilege follows review"). */
  readonly reviewed: boolean;
  readonly change?: { readonly id: ChangeId; readonly version: number };
  readonly plan: Plan;
  /** What every base of the plan's images was when the run was created; the whole run, and whatever replaces it, uses these. */
  readonly bases?: readonly ResolvedBase[];
  /** Why the run ends before anything of it begins: a base that is not there or not allowed. */
  readonly refused?: string;
  /** Sentences to the reader about what the plan leaves out, and why. */
  readonly notes: readonly string[];
  readonly requestedBy: PersonId;
  /** The interrupted run whose place this one takes. */
  readonly replaces?: RunId;
  /** 1 for the first execution, one more for each that replaces an interrupted one. */
  readonly attempt?: number;
};

/** What a scan came to; the record has it all (`scan/records.ts`). */
export type Scanned = {
  /** Digest of the record. */
  readonly record: Digest;
  readonly passed: boolean;
  readonly level: ScanLevel;
  readonly found: { readonly failing: number; readonly new: number; readonly known: number; readonly waived: number };
};

/** What a deploy or a change brings to an environment that its release has not; all of it is in the comparison (`scan/release-comparison.ts`). */
export type ComparedRelease = {
  readonly environment: string;
  /** Digest of the comparison. */
  readonly comparison: Digest;
  /** The run of the release; missing: there was none. */
  readonly release?: RunId;
  readonly passed: boolean;
  readonly found: {
    readonly fresh: number;
    readonly gone: number;
    readonly learned: number;
    readonly kept: number;
    /** Of what is new and not waived. */
    readonly worst?: 'low' | 'medium' | 'high' | 'critical' | 'unknown';
  };
};
/** A base as the pipeline file or a Dockerfile names it, and the digest that this stands for in one run. */
export type ResolvedBase = { readonly reference: string; readonly digest: Digest };

export type BuiltLayer = {
  readonly diffId: string;
  readonly digest: Digest;
  readonly size: number;
  readonly from: string;
  readonly to: string;
};

/** One line of a run's journal. Append-only: what is not here did not happen. */
export type RunEvent =
  | RunCreated
  | { readonly type: 'stage-reused'; readonly stage: string; readonly executedIn: RunId }
  | { readonly type: 'stage-skipped'; readonly stage: string; readonly reason: string }
  | { readonly type: 'job-started'; readonly stage: string; readonly job: string; readonly runner: string; readonly sandboxed: boolean }
  | { readonly type: 'step-started'; readonly stage: string; readonly job: string; readonly step: number }
  | {
      readonly type: 'step-finished';
      readonly stage: string;
      readonly job: string;
      readonly step: number;
      readonly outcome: Outcome;
      readonly exitCode: number | null;
      readonly reason?: string;
    }
  | { readonly type: 'job-finished'; readonly stage: string; readonly job: string; readonly outcome: Outcome; readonly reason?: string }
  | { readonly type: 'scan-started'; readonly scan: TreeScan }
  | ({ readonly type: 'scan-reported'; readonly scan: TreeScan } & Scanned)
  | { readonly type: 'scan-finished'; readonly scan: TreeScan; readonly outcome: Outcome; readonly reason?: string }
  | { readonly type: 'image-started'; readonly image: string }
  /** One that could not be looked up when the run was created; the first image that needs it settles it for the run. */
  | ({ readonly type: 'base-resolved' } & ResolvedBase)
  | {
      readonly type: 'image-built';
      readonly image: string;
      readonly digest: Digest;
      readonly layers: readonly BuiltLayer[];
      readonly base?: { readonly reference: string; readonly digest: Digest };
      /** Of an image from a Dockerfile: the file, what built it, and every image that the file names. */
      readonly dockerfile?: {
        readonly file: string;
        readonly engine: string;
        readonly bases: readonly { readonly reference: string; readonly digest: Digest }[];
      };
      readonly compressor: string;
      readonly sandboxed: boolean;
    }
  /** Before it is pushed. `sbom`: digest of the CycloneDX document. */
  | ({ readonly type: 'image-scanned'; readonly image: string; readonly digest: Digest; readonly sbom: Digest } & Scanned)
  /** Looked up again in newer advisories, by the list of its components; also long after the run's end. `record`: of this look. */
  | ({ readonly type: 'image-rescanned'; readonly image: string; readonly digest: Digest } & Scanned)
  | { readonly type: 'image-pushed'; readonly image: string; readonly repository: string; readonly digest: Digest; readonly tag: string }
  | {
      readonly type: 'image-published';
      readonly image: string;
      /** Name of the record. */
      readonly registry: string;
      /** `server/prefix/name`. */
      readonly repository: string;
      readonly digest: Digest;
      readonly papers: number;
    }
  | { readonly type: 'image-finished'; readonly image: string; readonly outcome: Outcome; readonly reason?: string }
  /** `record`: of the look that it is the paper of, where that came after the run. */
  | {
      readonly type: 'paper-signed';
      readonly subject: string;
      readonly predicateType: string;
      readonly ledgerIndex: number;
      readonly record?: Digest;
    }
  | { readonly type: 'deploy-started'; readonly environment: string }
  /** Of a deploy, before it touches anything; of a change, beside the scan of its libraries. */
  | ({ readonly type: 'release-compared' } & ComparedRelease)
  | {
      readonly type: 'deploy-finished';
      readonly environment: string;
      readonly outcome: Outcome;
      readonly reason?: string;
      readonly endpoints?: readonly string[];
    }
  | { readonly type: 'note'; readonly text: string }
  | { readonly type: 'run-finished'; readonly reason?: string }
  | { readonly type: 'run-cancelled'; readonly by: string; readonly reason: string }
  | { readonly type: 'run-interrupted'; readonly reason: string };

export type RecordedEvent = { readonly seq: number; readonly at: string; readonly event: RunEvent };
