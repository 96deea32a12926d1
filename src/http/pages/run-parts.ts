import type { RunView } from '../../api/run-views.ts';

export type Job = RunView['stages'][number]['jobs'][number];

/** One box of the way: a scan, a stage, an image or a deploy. */
export type Part = {
  readonly kind: 'stage' | 'scan' | 'image' | 'deploy';
  readonly name: string;
  readonly status: RunView['status'];
  readonly startedAt?: string | undefined;
  readonly finishedAt?: string | undefined;
  readonly reason?: string | undefined;
  readonly executedIn?: number | undefined;
  readonly digest?: string | undefined;
  readonly endpoints: readonly string[];
  readonly jobs: readonly Job[];
  readonly scanned?: RunView['scans'][number]['scanned'];
};

/** The way in its order: scans, which begin at once, stages, images, deploys. */
export function parts(view: RunView): Part[] {
  return [
    ...view.scans.map((scan) => ({ ...scan, kind: 'scan' as const, endpoints: [], jobs: [] })),
    ...view.stages.map((stage) => ({ ...stage, kind: 'stage' as const, endpoints: [] })),
    ...view.images.map((image) => ({ ...image, kind: 'image' as const, endpoints: [], jobs: [] })),
    ...view.deploys.map((deploy) => ({
      ...deploy,
      kind: 'deploy' as const,
      name: deploy.environment,
      endpoints: deploy.endpoints ?? [],
      jobs: [],
    })),
  ];
}

/** Why there is a run without a change: the first push to an empty repository counts as a merge. */
export function whyOf(event: string): string {
  return event === 'merge' ? 'first push' : event;
}

export function isOver(status: RunView['status']): boolean {
  return status !== 'waiting' && status !== 'running';
}

/** The name of the log of a job, an image or a deploy, as the API spells it. */
export function logName(part: Part, job?: Job): string {
  return job ? `stage/${part.name}/${job.name}` : `${part.kind}/${part.name}`;
}

/** What somebody who opens a run wants to read: what failed first, else what is running, else what was written last. */
export function chooseLog(view: RunView, logs: readonly string[]): string | undefined {
  const all = parts(view)
    .flatMap((part) =>
      part.kind === 'stage'
        ? part.jobs.map((job) => ({ name: logName(part, job), status: job.status }))
        : [{ name: logName(part), status: part.status }],
    )
    .filter((log) => logs.includes(log.name));
  const chosen = all.find((log) => log.status === 'failed') ?? all.find((log) => log.status === 'running') ?? all.at(-1);
  return chosen?.name ?? logs.at(-1);
}
