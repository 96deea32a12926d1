import { WaybillError } from '../kernel/error.ts';
import { treeScans } from '../plan/scan-levels.ts';
import type { Outcome, RecordedEvent, RunCreated, RunEvent, Scanned } from './event.ts';
import type { DeployState, ImageState, JobState, RunState, ScanState, StageState, StepState } from './state.ts';
import { isFinal, isGood, transitions, type Status } from './status.ts';

/** Folds a journal into a state. Pure. @throws WaybillError INTERNAL where an event cannot follow what came before */
export function stateOf(events: readonly RecordedEvent[]): RunState {
  const [first, ...rest] = events;
  if (!first || first.event.type !== 'run-created') throw new WaybillError('INTERNAL', 'a journal must begin with run-created');
  return rest.reduce((state, recorded) => apply(state, recorded.event, recorded.at), begin(first.event, first.at));
}

function begin(head: RunCreated, at: string): RunState {
  return {
    head,
    createdAt: at,
    status: 'waiting',
    notes: head.notes,
    bases: head.bases ?? [],
    stages: head.plan.stages.map((stage) => ({
      name: stage.name,
      status: 'waiting',
      jobs: stage.jobs.map((job) => ({
        name: job.name,
        status: 'waiting',
        steps: job.steps.map((step) => ({ name: step.name, status: 'waiting' })),
      })),
    })),
    scans: head.plan.scans === undefined ? [] : treeScans.map((name) => ({ name, status: 'waiting' })),
    images: head.plan.images.map((image) => ({ name: image.name, status: 'waiting' })),
    deploys: head.plan.deploys.map((deploy) => ({ environment: deploy.environment, status: 'waiting' })),
    compared: [],
  };
}

/** What may be told of a run that has ended. None of it changes what the run came to. */
const afterTheEnd: ReadonlySet<RunEvent['type']> = new Set(['note', 'paper-signed', 'image-rescanned']);

/** One event further. Pure; time is the argument `at`. */
export function apply(state: RunState, event: RunEvent, at: string): RunState {
  if (isFinal(state.status) && !afterTheEnd.has(event.type)) {
    throw new WaybillError('INTERNAL', `${event.type} after the run has ${state.status}`);
  }
  switch (event.type) {
    case 'run-created':
      throw new WaybillError('INTERNAL', 'run-created twice');
    case 'stage-reused':
      return stage(running(state), event.stage, (s) => move({ ...s, executedIn: event.executedIn }, 'reused', at));
    case 'stage-skipped':
      return stage(state, event.stage, (s) => move(s, 'skipped', at, event.reason));
    case 'job-started':
      return job(running(state), event, (j) => ({ ...move(j, 'running', at), sandboxed: event.sandboxed }), at);
    case 'step-started':
      return job(state, event, (j) => step(j, event.step, (s) => move(s, 'running', at)), at);
    case 'step-finished':
      return job(
        state,
        event,
        (j) => step(j, event.step, (s) => ({ ...move(s, event.outcome, at, event.reason), exitCode: event.exitCode })),
        at,
      );
    case 'job-finished':
      return job(running(state), event, (j) => move(j, event.outcome, at, event.reason), at);
    case 'scan-started':
      return scan(running(state), event.scan, (s) => move(s, 'running', at));
    case 'scan-reported':
      return scan(state, event.scan, (s) => ({ ...s, scanned: scannedOf(event) }));
    case 'scan-finished':
      return scan(state, event.scan, (s) => move(s, event.outcome, at, event.reason));
    case 'image-started':
      return image(running(state), event.image, (i) => move(i, 'running', at));
    case 'base-resolved': {
      const known = state.bases.some((base) => base.reference === event.reference);
      return known ? state : { ...state, bases: [...state.bases, { reference: event.reference, digest: event.digest }] };
    }
    case 'image-built':
      return image(state, event.image, (i) => ({ ...i, digest: event.digest }));
    case 'image-scanned':
      return image(state, event.image, (i) => ({ ...i, scanned: { ...scannedOf(event), sbom: event.sbom } }));
    case 'image-rescanned':
      return image(state, event.image, (i) => lookedAgain(i, event, at));
    case 'image-pushed':
      return image(state, event.image, (i) => ({ ...i, repository: event.repository }));
    case 'image-published':
      return image(state, event.image, (i) => ({ ...i, published: [...(i.published ?? []), `${event.repository}@${event.digest}`] }));
    case 'image-finished':
      return image(state, event.image, (i) => move(i, event.outcome, at, event.reason));
    case 'deploy-started':
      return deploy(running(state), event.environment, (d) => move(d, 'running', at));
    case 'deploy-finished':
      return deploy(state, event.environment, (d) => ({
        ...move(d, event.outcome, at, event.reason),
        ...(event.endpoints ? { endpoints: event.endpoints } : {}),
      }));
    case 'release-compared': {
      const { type: _, ...compared } = event;
      return { ...state, compared: [...state.compared.filter((each) => each.environment !== event.environment), compared] };
    }
    case 'note':
      return { ...state, notes: [...state.notes, event.text] };
    case 'paper-signed':
      return event.record === undefined ? state : { ...state, images: state.images.map((i) => withPaper(i, event.record)) };
    case 'run-finished':
      return { ...closeOpen(state, 'skipped', at), ...end(verdictOf(state), at, event.reason) };
    case 'run-cancelled':
      return { ...closeOpen(state, 'cancelled', at), ...end('cancelled', at, `cancelled by ${event.by}: ${event.reason}`) };
    case 'run-interrupted':
      return { ...closeOpen(state, 'interrupted', at), ...end('interrupted', at, event.reason) };
    default:
      return never(event);
  }
}

/** What a run that has nothing left to do has come to. */
export function verdictOf(state: RunState): Outcome {
  if (state.head.refused !== undefined) return 'failed';
  const all = [...state.stages, ...state.scans, ...state.images, ...state.deploys].map((part) => part.status);
  if (all.every(isGood)) return 'passed';
  return all.includes('cancelled') ? 'cancelled' : all.includes('interrupted') ? 'interrupted' : 'failed';
}

type Part = { readonly status: Status; readonly startedAt?: string; readonly finishedAt?: string; readonly reason?: string };

function move<T extends Part>(part: T, to: Status, at: string, reason?: string): T {
  if (!transitions[part.status].includes(to)) throw new WaybillError('INTERNAL', `${part.status} cannot become ${to}`);
  return {
    ...part,
    status: to,
    ...(to === 'running' ? { startedAt: at } : {}),
    ...(isFinal(to) ? { finishedAt: at } : {}),
    ...(reason === undefined ? {} : { reason }),
  };
}

function end(status: Status, at: string, reason?: string): Pick<RunState, 'status'> & Partial<RunState> {
  return { status, finishedAt: at, ...(reason === undefined ? {} : { reason }) };
}

const running = (state: RunState): RunState => (state.status === 'waiting' ? { ...state, status: 'running' } : state);

/** A stage's status is what its jobs make of it. */
function withJobs(before: StageState, jobs: readonly JobState[], at: string): StageState {
  const of = jobs.map((j) => j.status);
  const next: Status = of.every((s) => s === 'waiting')
    ? 'waiting'
    : of.some((s) => !isFinal(s))
      ? 'running'
      : of.every(isGood)
        ? 'passed'
        : of.includes('failed')
          ? 'failed'
          : of.includes('interrupted')
            ? 'interrupted'
            : 'cancelled';
  const started = before.status === 'waiting' && next !== 'waiting' ? move({ ...before, jobs }, 'running', at) : { ...before, jobs };
  const reason = jobs.find((j) => j.status === 'failed')?.reason;
  return next === started.status ? started : move(started, next, at, reason);
}

function stage(state: RunState, name: string, f: (s: StageState) => StageState): RunState {
  return { ...state, stages: only(state.stages, (s) => s.name === name, f, `stage ${name}`) };
}

function job(state: RunState, at: { stage: string; job: string }, f: (j: JobState) => JobState, time: string): RunState {
  return stage(state, at.stage, (s) =>
    withJobs(
      s,
      only(s.jobs, (j) => j.name === at.job, f, `job ${at.job}`),
      time,
    ),
  );
}

function step(of: JobState, index: number, f: (s: StepState) => StepState): JobState {
  return { ...of, steps: only(of.steps, (_, i) => i === index, f, `step ${index}`) };
}

function scan(state: RunState, name: string, f: (s: ScanState) => ScanState): RunState {
  return { ...state, scans: only(state.scans, (s) => s.name === name, f, `scan ${name}`) };
}

function scannedOf({ record, passed, level, found }: Scanned): Scanned {
  return { record, passed, level, found };
}

/** Only what was looked at once, and is somewhere, can be looked at again: exactly that digest. */
function lookedAgain(of: ImageState, event: Scanned & { readonly digest: string }, at: string): ImageState {
  if (!isFinal(of.status) || of.scanned === undefined || of.repository === undefined)
    throw new WaybillError('INTERNAL', `the image ${of.name} was not scanned and pushed, and is looked at again`);
  if (of.digest !== event.digest) throw new WaybillError('INTERNAL', `the image ${of.name} is ${of.digest}, not ${event.digest}`);
  return { ...of, rescanned: { ...scannedOf(event), at, signed: false } };
}

function withPaper(of: ImageState, record: string | undefined): ImageState {
  return of.rescanned?.record === record && of.rescanned ? { ...of, rescanned: { ...of.rescanned, signed: true } } : of;
}

function image(state: RunState, name: string, f: (i: ImageState) => ImageState): RunState {
  return { ...state, images: only(state.images, (i) => i.name === name, f, `image ${name}`) };
}

function deploy(state: RunState, name: string, f: (d: DeployState) => DeployState): RunState {
  return { ...state, deploys: only(state.deploys, (d) => d.environment === name, f, `deploy to ${name}`) };
}

function only<T>(list: readonly T[], where: (item: T, index: number) => boolean, f: (item: T) => T, what: string): readonly T[] {
  if (!list.some(where)) throw new WaybillError('INTERNAL', `${what} is not in the plan`);
  return list.map((item, index) => (where(item, index) ? f(item) : item));
}

/** Whatever is still open when a run ends has ended with it. */
function closeOpen(state: RunState, to: Outcome, at: string): RunState {
  const close = <T extends Part>(part: T): T => {
    if (isFinal(part.status)) return part;
    return move(part, part.status === 'running' && to === 'skipped' ? 'failed' : to, at);
  };
  return {
    ...state,
    stages: state.stages.map((s) => ({
      ...close(s),
      jobs: isFinal(s.status) ? s.jobs : s.jobs.map((j) => ({ ...close(j), steps: j.steps.map(close) })),
    })),
    scans: state.scans.map(close),
    images: state.images.map(close),
    deploys: state.deploys.map(close),
  };
}

function never(event: never): never {
  throw new WaybillError('INTERNAL', `unknown event ${JSON.stringify(event)}`);
}
