import { WaybillError } from '../kernel/error.ts';
import type { Event } from './event.ts';
import { needsOf, ordered, stagesFor } from './order.ts';
import type {
  Network,
  Plan,
  PlannedDeploy,
  PlannedDockerfile,
  PlannedImage,
  PlannedJob,
  PlannedLayer,
  PlannedScans,
  PlannedStage,
  PlannedStep,
} from './plan.ts';
import { defaultScans } from './scan-levels.ts';
import type { Pipeline, PipelineStage } from './schema.ts';

/** What a job, an image build and a deploy may take when nothing says otherwise. */
const defaultTimeoutMs = 10 * 60 * 1000;

/**
 * What a pipeline file says for one event. A `merge` plan holds the `change` stages first (also those that are on both,
 * once), as reusable ones; images and deploys are part of `merge` plans alone. Stages stand behind the stages they need,
 * otherwise in the order of the file. `stages` is empty when no stage is on the event: there is nothing to do.
 * @throws WaybillError INVALID_INPUT when stages wait for each other or for one that is not there (parsePipeline refuses that).
 */
export function planFor(pipeline: Pipeline, event: Event): Plan {
  const planned = stagesFor(pipeline.stages, event);
  const needs = needsOf(planned);
  const { order, cycles } = ordered(needs);
  if (cycles.length > 0)
    throw new WaybillError('INVALID_INPUT', `stages wait for each other: ${cycles.map((cycle) => cycle.join(' → ')).join('; ')}`);
  const stages = order
    .flatMap((name) => planned.filter((stage) => stage.name === name))
    .map((stage): PlannedStage => {
      const missing = (needs.get(stage.name) ?? []).find((need) => !needs.has(need));
      if (missing !== undefined)
        throw new WaybillError('INVALID_INPUT', `stage ${stage.name} needs ${missing}, which is not in the plan for ${event}`);
      return {
        name: stage.name,
        reusable: event === 'merge' && stage.on.includes('change'),
        needs: needs.get(stage.name) ?? [],
        jobs: jobsOf(stage, pipeline.defaults),
      };
    });
  const scans = scansOf(pipeline);
  return event === 'merge'
    ? {
        event,
        stages,
        images: (pipeline.images ?? []).map((image) => imageOf(image, pipeline.defaults)),
        deploys: (pipeline.deploy ?? []).map((deploy) => deployOf(deploy, pipeline.defaults)),
        scans,
      }
    : { event, stages, images: [], deploys: [], scans };
}

/** On by default; the file only says what makes each of them fail. */
function scansOf({ scan }: Pipeline): PlannedScans {
  return {
    secrets: scan?.secrets?.fail ?? defaultScans.secrets,
    dependencies: scan?.dependencies?.fail ?? defaultScans.dependencies,
    image: scan?.image?.fail ?? defaultScans.image,
  };
}

type Defaults = Pipeline['defaults'];
type Step = NonNullable<PipelineStage['steps']>[number];

function jobsOf(stage: PipelineStage, defaults: Defaults): PlannedJob[] {
  const jobs = stage.jobs ?? [{ name: stage.name, steps: stage.steps ?? [] }];
  return jobs.map((job): PlannedJob => {
    const {
      env,
      timeout,
      network,
    }: { env?: Record<string, string> | undefined; timeout?: number | undefined; network?: Network | undefined } = job;
    return {
      name: job.name,
      env: { ...defaults?.env, ...stage.env, ...env },
      timeoutMs: timeout ?? stage.timeout ?? defaults?.timeout ?? defaultTimeoutMs,
      network: network ?? stage.network ?? defaults?.network ?? 'filtered',
      steps: job.steps.map(stepOf),
    };
  });
}

function stepOf(step: Step): PlannedStep {
  return { name: step.name ?? titleOf(step.run), run: step.run, env: { ...step.env } };
}

/** The first line of a script that says something, in at most 80 characters. */
function titleOf(run: string): string {
  const line =
    run
      .split('\n')
      .map((text) => text.trim())
      .find((text) => text !== '') ?? '';
  const characters = [...line];
  return characters.length <= 80 ? line : `${characters.slice(0, 79).join('')}…`;
}

type PipelineImage = NonNullable<Pipeline['images']>[number];
type PipelineLayer = NonNullable<PipelineImage['layers']>[number];

function imageOf(image: PipelineImage, defaults: Defaults): PlannedImage {
  return {
    name: image.name,
    base: image.base ?? 'scratch',
    layers: (image.layers ?? []).map(layerOf),
    ...definedOf({ compression: image.compression, platforms: image.platforms, publish: image.publish }),
    config: definedOf(image.config ?? {}),
    // A Dockerfile gets a network when it says so itself: what it fetches is in no lock file.
    network: image.network ?? (image.dockerfile === undefined ? (defaults?.network ?? 'filtered') : 'none'),
    timeoutMs: image.timeout ?? defaults?.timeout ?? defaultTimeoutMs,
    ...(image.dockerfile === undefined ? {} : { dockerfile: dockerfileOf(image.dockerfile) }),
  };
}

function dockerfileOf(given: NonNullable<NonNullable<Pipeline['images']>[number]['dockerfile']>): PlannedDockerfile {
  const { file, context, target, args, secrets } = typeof given === 'string' ? ({ file: given } as Partial<typeof given & object>) : given;
  return {
    file: file ?? 'Dockerfile',
    context: context ?? '.',
    ...(target === undefined ? {} : { target }),
    args: { ...args },
    secrets: secrets ?? [],
  };
}

function layerOf({ owner, after, ...layer }: PipelineLayer): PlannedLayer {
  const [uid = 0, gid = 0] = owner?.split(':').map(Number) ?? [];
  return {
    ...definedOf(layer),
    from: layer.from,
    to: layer.to,
    after: after ?? [],
    ...(owner === undefined ? {} : { owner: { uid, gid } }),
  };
}

function deployOf(deploy: NonNullable<Pipeline['deploy']>[number], defaults: Defaults): PlannedDeploy {
  return {
    environment: deploy.environment,
    manifests: deploy.manifests,
    images: { ...deploy.images },
    timeoutMs: deploy.timeout ?? defaults?.timeout ?? defaultTimeoutMs,
    ...(deploy.scan === undefined || deploy.scan.fail === 'report' ? {} : { fail: [deploy.scan.fail] }),
  };
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the fields that are undefined, so that a plan is the same before and after JSON. */
function definedOf<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Defined<T>;
}
