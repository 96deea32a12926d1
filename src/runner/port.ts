import type { Network } from '../plan/plan.ts';

/**
 * Where a job executes. Contract (runner/contract.ts runs it over every implementation):
 * - a job has a workspace of its own that no other job can see; its steps share it and run one after another;
 * - a step's exit code is what the operating system says, never what the step prints;
 * - `dispose`, an abort and a timeout end the whole process tree before they resolve, and remove the workspace;
 * - output arrives in order, per stream, in whole lines of at most `maxLineBytes` (longer ones are split);
 * - nothing of the host beyond `JobSpec` is visible: no Waybill data, no home folders, no other workspace, no host environment.
 */
export type Runner = {
  readonly name: 'host' | 'container' | 'kubernetes';
  /** What isolation works here; `ok: false` with the reason means that unreviewed code must be refused. */
  isolation(): Promise<Isolation>;
  /** Makes the workspace. The source (a tar stream, or a folder) is extracted into it before this resolves. */
  start(spec: JobSpec, signal: AbortSignal): Promise<JobHandle>;
  /** Ends what an earlier process of this Waybill left running or lying about (after `kill -9`). Returns what was ended. */
  reap(): Promise<readonly string[]>;
};

export type Isolation =
  | { readonly ok: true; readonly network: boolean; readonly details: readonly string[] }
  | { readonly ok: false; readonly reason: string };

export type JobSpec = {
  /** Unique on this host; letters, digits and `-` only. */
  readonly id: string;
  /** Extracted into the workspace: an uncompressed tar as `git archive` writes it, or a folder that is copied. */
  readonly source: { readonly tar: NodeJS.ReadableStream } | { readonly folder: string };
  readonly env: Readonly<Record<string, string>>;
  readonly network: Network;
};

export type StepSpec = { readonly run: string; readonly env: Readonly<Record<string, string>> };

export type OutputLine = { readonly stream: 'stdout' | 'stderr'; readonly text: string; readonly at: Date };

export type StepResult =
  | { readonly status: 'passed'; readonly exitCode: 0 }
  | { readonly status: 'failed'; readonly exitCode: number | null; readonly reason: string }
  | { readonly status: 'timed-out' | 'cancelled'; readonly exitCode: null; readonly reason: string };

export type JobHandle = AsyncDisposable & {
  /** Runs one step to its end. Never throws for what the step does; throws for what the host fails to do. */
  step(step: StepSpec, options: { signal: AbortSignal; timeoutMs: number; onLine(line: OutputLine): void }): Promise<StepResult>;
  /** Path on this host where the workspace can be read between steps (used by image builds; contents are untrusted). */
  readonly workspace: string;
};
