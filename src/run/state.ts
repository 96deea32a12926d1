import type { Digest } from '../kernel/digest.ts';
import type { RunId } from '../kernel/ids.ts';
import type { TreeScan } from '../plan/scan-levels.ts';
import type { ComparedRelease, ResolvedBase, RunCreated, Scanned } from './event.ts';
import type { Status } from './status.ts';

/** What a journal says now. Derived, never stored. */
export type RunState = {
  readonly head: RunCreated;
  readonly createdAt: string;
  readonly finishedAt?: string;
  readonly status: Status;
  readonly reason?: string;
  readonly stages: readonly StageState[];
  /** Of the source; empty where none is planned. */
  readonly scans: readonly ScanState[];
  readonly images: readonly ImageState[];
  readonly deploys: readonly DeployState[];
  /** What is new since the release of each environment, as it was then; of each environment the last. */
  readonly compared: readonly ComparedRelease[];
  readonly notes: readonly string[];
  /** Digests of the bases, one for each reference. */
  readonly bases: readonly ResolvedBase[];
};

type Times = { readonly startedAt?: string; readonly finishedAt?: string; readonly reason?: string };

export type StageState = {
  readonly name: string;
  readonly status: Status;
  readonly executedIn?: RunId;
  readonly jobs: readonly JobState[];
} & Times;
export type JobState = {
  readonly name: string;
  readonly status: Status;
  readonly sandboxed?: boolean;
  readonly steps: readonly StepState[];
} & Times;
export type StepState = { readonly name: string; readonly status: Status; readonly exitCode?: number | null } & Times;
export type ScanState = { readonly name: TreeScan; readonly status: Status; readonly scanned?: Scanned } & Times;
export type ImageState = {
  readonly name: string;
  readonly scanned?: Scanned & { readonly sbom: Digest };
  /** The newest look since. `signed`: its paper is in the ledger and beside the image. */
  readonly rescanned?: Scanned & { readonly at: string; readonly signed: boolean };
  readonly status: Status;
  readonly digest?: Digest;
  readonly repository?: string;
  /** References of the copies at other registries. */
  readonly published?: readonly string[];
} & Times;
export type DeployState = { readonly environment: string; readonly status: Status; readonly endpoints?: readonly string[] } & Times;
