import type { RunId } from '../kernel/ids.ts';
import type { PlannedDeploy, PlannedImage, PlannedStage } from '../plan/plan.ts';
import type { ScanLevel, TreeScan } from '../plan/scan-levels.ts';
import type { RunCreated, RunEvent } from './event.ts';
import type { LogStream } from './logs.ts';
import type { RunState } from './state.ts';
import type { Outcome } from './event.ts';

/** What a performer may do with the run that it works for. */
export type RunContext = {
  readonly run: RunId;
  readonly head: RunCreated;
  readonly signal: AbortSignal;
  emit(event: RunEvent): Promise<RunState>;
  state(): Promise<RunState>;
  log(stream: LogStream, text: string): void;
};

/**
 * What the engine leaves to others, because it needs keys, images or a cluster. Implementations: `ops/perform` (the server) and
 * `cli/commands/run` (a checkout without a server, which performs stages alone). A performer throws to fail its part; the message is the reason.
 */
export type Performers = {
  /** An earlier run that passed this stage on this very tree, if its result may be used again. */
  reuse(head: RunCreated, stage: PlannedStage): Promise<RunId | undefined>;
  /** Called when a stage has passed here, before anything that needs it starts. */
  stagePassed(run: RunId, head: RunCreated, stage: PlannedStage): Promise<void>;
  /** Throws when the scan finds what the level forbids, or could not look. */
  scan(context: RunContext, scan: TreeScan, level: ScanLevel): Promise<void>;
  image(context: RunContext, image: PlannedImage): Promise<void>;
  deploy(context: RunContext, deploy: PlannedDeploy): Promise<{ readonly endpoints: readonly string[] }>;
  finished(run: RunId, head: RunCreated, outcome: Outcome): Promise<void>;
};
