import { z } from 'zod';
import { durationPattern, parseDuration } from './duration.ts';
import { events } from './event.ts';
import { limits } from './limits.ts';
import { scanLevels } from './scan-levels.ts';

/**
 * The pipeline file as data: the one description that the parser, the JSON Schema and the guide come from.
 * Rules that look at several places at once (names, `needs`, cycles) are in meaning.ts.
 * Long since it is one description, with a sentence for each field.
 */

/** What a value should be, in words for an error message: "expected …". */
export const expectations = z.registry<{ expects: string }>();

function expects<T extends z.ZodType>(what: string, schema: T): T {
  expectations.add(schema, { expects: what });
  return schema;
}

/** A field that the language has and this version does not: any value is refused, with a message of its own. */
function later(description: string): z.ZodOptional<z.ZodNever> {
  return z.never().optional().describe(`Not supported yet by this version. ${description}`);
}

function listOf<T extends z.ZodType>(item: T, one: string, maximum: number): z.ZodArray<T> {
  return expects(`a list of at least one ${one}`, z.array(item).min(1).max(maximum));
}

const noNul = /^[^\u0000]*$/;
const name = expects(
  'a name: lower-case letters and digits, with single "-", "_" or "." between them, at most 63 characters',
  z.string().regex(/^[a-z0-9](?:[a-z0-9]|[-_.](?=[a-z0-9])){0,62}$/),
);
const label = expects(
  'text on one line',
  z
    .string()
    .regex(/\S/)
    .regex(/^[^\u0000-\u001f\u007f]*$/)
    .max(200),
);
const script = expects('a command or script for sh', z.string().regex(/\S/).regex(noNul).max(limits.text));
const text = expects('text', z.string().regex(noNul).max(limits.text));
const duration = expects(
  'a duration such as "90s", "10m" or "1h30m", at most 24 hours',
  z
    .string()
    .regex(durationPattern)
    .transform((value, context) => {
      const milliseconds = parseDuration(value);
      if (milliseconds !== undefined) return milliseconds;
      context.issues.push({ code: 'invalid_format', format: 'duration', input: value, continue: false });
      return z.NEVER;
    }),
);
const network = expects('"filtered" or "none"', z.enum(['filtered', 'none']));
const eventName = expects('an event', z.enum(events));
const relativePath = expects(
  'a path inside the repository, without "..", not absolute',
  z
    .string()
    .max(limits.path)
    .regex(/^(?!\/)(?!(?:.*\/)?\.\.(?:\/|$))[^\u0000-\u001f\u007f\\]+$/),
);
const absolutePath = expects(
  'an absolute path in the image, without ".."',
  z
    .string()
    .max(limits.path)
    .regex(/^\/(?!(?:.*\/)?\.\.(?:\/|$))[^\u0000-\u001f\u007f\\]*$/),
);
const reference = expects(
  'scratch, or an image reference such as "registry.example/node:24@sha256:…"',
  z
    .string()
    .max(limits.path)
    .regex(
      /^(?:[A-Za-z0-9.-]+(?::[0-9]{1,5})?\/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/,
    ),
);

const few = (entries: object): boolean => Object.keys(entries).length <= limits.entries;
const tooMany = `too many entries: at most ${limits.entries}`;

const envName = expects(
  'a variable name: letters, digits and "_", not starting with a digit or with WAYBILL_',
  z
    .string()
    .max(255)
    .regex(/^(?!WAYBILL_)[A-Za-z_][A-Za-z0-9_]*$/),
);
const argName = expects(
  'the name of a build argument: letters, digits and "_", not starting with a digit',
  z
    .string()
    .max(255)
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/),
);
const env = expects('a mapping from variable names to text', z.record(envName, text).refine(few, tooMany));
const labelKey = expects(
  'a label name: visible characters without spaces',
  z
    .string()
    .max(255)
    .regex(/^[!-~]+$/),
);

const step = expects(
  'a step such as { run: npm test }',
  z
    .strictObject({
      run: script.describe('A script for `sh -e`, in the workspace of the job. Required.'),
      name: label.optional().describe('What the step is called in logs. Default: the first line of `run`.'),
      env: env.optional().describe('Environment variables of this step alone.'),
    })
    .describe('Steps of a job share a workspace and run one after another; the first that fails ends the job.'),
);

const steps = listOf(step, 'step', limits.stepsPerJob);

const job = expects(
  'a job with a name and steps',
  z
    .strictObject({
      name: name.describe('Unique in its stage. Required.'),
      steps: steps.describe('What the job does, in order. Required.'),
      env: env.optional().describe('Environment variables of all steps of this job; wins over those of the stage.'),
      timeout: duration
        .optional()
        .describe('How long the whole job may take. Default: that of the stage, then `defaults.timeout`, then 10m.'),
      network: network.optional().describe('`filtered`: outgoing connections through the filter of the runner; `none`: no network at all.'),
      image: later('The container image in which the job runs.'),
      matrix: later('Runs the job once for each combination of values.'),
      cache: later('Folders that are kept from run to run.'),
      reports: later('Test reports that Waybill reads.'),
      retry: later('When to run the job again.'),
      services: later('Containers that run beside the job.'),
      secrets: later('Names of secrets that the job may see.'),
      volumes: later('Folders shared by the containers of the job.'),
      artifacts: later('Files that are kept when the job is over.'),
    })
    .describe('The jobs of a stage run side by side.'),
);

const stage = expects(
  'a stage with a name, events and steps or jobs',
  z
    .strictObject({
      name: name.describe('Unique in the file. Required.'),
      on: listOf(eventName, 'event', events.length).describe(
        'The events whose plans hold this stage. `change` stages are part of `merge` plans too. Required.',
      ),
      needs: expects('a list of stage names', z.array(name).max(limits.stages))
        .optional()
        .describe("Stages that must have passed. Default: the stage before it in this event's plan; `[]` starts at once."),
      steps: steps.optional().describe('Short for one job that is named like the stage. Either `steps` or `jobs`.'),
      jobs: listOf(job, 'job', limits.jobsPerStage).optional().describe('Jobs that run side by side. Either `steps` or `jobs`.'),
      env: env.optional().describe('Environment variables of all jobs of this stage; wins over `defaults.env`.'),
      timeout: duration.optional().describe('How long each job of this stage may take.'),
      network: network.optional().describe('Network of all jobs of this stage.'),
      image: later('The container image in which the jobs run.'),
      matrix: later('Runs the stage once for each combination of values.'),
      cache: later('Folders that are kept from run to run.'),
      reports: later('Test reports that Waybill reads.'),
      retry: later('When to run jobs again.'),
      services: later('Containers that run beside the jobs.'),
      secrets: later('Names of secrets that the jobs may see.'),
      volumes: later('Folders shared by the containers of a job.'),
      artifacts: later('Files that are kept when a job is over.'),
    })
    .meta({
      description: 'A stage starts when the stages that it needs have passed.',
      oneOf: [{ required: ['steps'] }, { required: ['jobs'] }],
    }),
);

const platform = expects(
  'a platform such as "linux/amd64" or "linux/arm/v7"',
  z.string().regex(/^[a-z0-9]{1,20}\/[a-z0-9_]{1,20}(?:\/[a-z0-9.]{1,10})?$/),
);

const layer = expects(
  'a layer such as { from: dist, to: /app/dist }',
  z
    .strictObject({
      from: relativePath.describe('File or folder of the merged tree, or one that the `after` commands produce. Required.'),
      to: absolutePath.describe('Where it lies in the image. Required.'),
      after: expects('a list of commands', z.array(script).max(limits.commandsPerLayer))
        .optional()
        .describe('Commands that produce `from`, run in a build sandbox of their own on the merged tree.'),
      owner: expects(
        'numbers of a user and a group, such as "65532:65532"',
        z.string().regex(/^(?:0|[1-9][0-9]{0,8}):(?:0|[1-9][0-9]{0,8})$/),
      )
        .optional()
        .describe('To whom everything in it belongs, by number. Default: "0:0".'),
      modes: expects('"normal" or "kept"', z.enum(['normal', 'kept']))
        .optional()
        .describe(
          '`normal`: 0755 for folders and what may be executed, 0644 for the rest; `kept`: as the tree has them. Never set-uid. Default: normal.',
        ),
      split: expects('true or false', z.boolean())
        .optional()
        .describe('Dependencies (node_modules, site-packages, vendor) get layers of their own when they are large. Default: true.'),
      platform: platform.optional().describe('The layer is part of the image for this platform alone.'),
    })
    .describe('One layer of the image.'),
);

const textList = expects('a list of texts', z.array(text).max(limits.entries));
const imageConfig = expects(
  'a mapping',
  z
    .strictObject({
      cmd: textList.optional().describe('Default arguments, or the command when there is no entrypoint.'),
      entrypoint: textList.optional().describe('The command that always runs.'),
      user: expects(
        'a user such as "65532" or "65532:65532"',
        z
          .string()
          .max(100)
          .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?$/),
      )
        .optional()
        .describe('User, or user and group, by number or name.'),
      workdir: absolutePath.optional().describe('The folder in which the command starts.'),
      env: env.optional().describe('Environment variables of the image.'),
      ports: expects('a list of ports', z.array(expects('a port from 1 to 65535', z.int().min(1).max(65535))).max(limits.entries))
        .optional()
        .describe('Ports that the image listens on, for readers; nothing is opened by it.'),
      labels: expects('a mapping from label names to text', z.record(labelKey, text).refine(few, tooMany))
        .optional()
        .describe('Labels of the image.'),
    })
    .describe('The configuration of the image, as containers see it.'),
);

const dockerfile = expects(
  'a path, or a mapping with "file"',
  z.union([
    relativePath,
    z.strictObject({
      file: relativePath.optional().describe('Path of the Dockerfile. Default: Dockerfile.'),
      context: relativePath.optional().describe('Folder whose files the build may copy. Default: the whole tree.'),
      target: expects(
        'the name of a stage of the Dockerfile',
        z
          .string()
          .max(100)
          .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/),
      )
        .optional()
        .describe('The stage that is built. Default: the last one.'),
      args: expects('a mapping from names to text', z.record(argName, text).refine(few, tooMany))
        .optional()
        .describe('Build arguments. They are seen by everybody who has the image: no place for a secret.'),
      secrets: expects(
        'a list of names',
        z
          .array(
            expects(
              'a name: letters, digits, "-", "_" and "."',
              z
                .string()
                .max(100)
                .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/),
            ),
          )
          .max(limits.entries),
      )
        .optional()
        .describe('Ids of secrets that `RUN --mount=type=secret,id=…` may mount.'),
    }),
  ]),
);

const image = expects(
  'an image with a name and layers',
  z
    .strictObject({
      name: name.describe('Unique in the file. Required.'),
      base: reference.optional().describe('The image below the layers. Default: scratch, an empty one.'),
      layers: listOf(layer, 'layer', limits.layersPerImage)
        .optional()
        .describe('From the lowest to the highest. Either `layers` or `dockerfile`.'),
      compression: expects('"zstd" or "gzip"', z.enum(['zstd', 'gzip']))
        .optional()
        .describe('How layers are compressed. `gzip` for engines older than 2023. Default: zstd.'),
      platforms: expects(
        'a list of platforms, each once',
        z
          .array(platform)
          .min(1)
          .max(limits.platforms)
          .refine((all) => new Set(all).size === all.length, 'a platform stands there twice'),
      )
        .optional()
        .describe('An index of one manifest for each. Default: the platform of the builder, without an index.'),
      publish: expects(
        'a list of names of external registries, each once',
        z
          .array(name)
          .min(1)
          .max(limits.publish)
          .refine((all) => new Set(all).size === all.length, 'a registry stands there twice'),
      )
        .optional()
        .describe('External registries to which the image and its papers are copied (`waybill registry list`). Default: none.'),
      config: imageConfig.optional().describe('How the image starts.'),
      timeout: duration.optional().describe('How long the build may take. Default: `defaults.timeout`, then 10m.'),
      network: network.optional().describe('Network of the `after` commands.'),
      dockerfile: dockerfile
        .optional()
        .describe('Builds the image from a Dockerfile, without a network unless `network` gives it one. Either `layers` or `dockerfile`.'),
    })
    .meta({
      description: 'Built on `merge` alone, from the merged tree: in reproducible layers, or from a Dockerfile.',
      oneOf: [{ required: ['layers'] }, { required: ['dockerfile'] }],
    }),
);

const fail = expects(`one of ${scanLevels.map((level) => `"${level}"`).join(', ')}`, z.enum(scanLevels));

const deploy = expects(
  'a deploy with an environment and manifests',
  z
    .strictObject({
      environment: name.describe('The environment that is deployed to; unique in the file. Required.'),
      manifests: relativePath.describe('File or folder of Kubernetes manifests. Required.'),
      images: expects(
        'a mapping from image references to names of images of this file',
        z
          .record(
            expects(
              'an image reference',
              z
                .string()
                .max(limits.path)
                .regex(/^[!-~]+$/),
            ),
            name,
          )
          .refine(few, tooMany),
      )
        .optional()
        .describe('Reference as written in the manifests → name of an image of this file; replaced by its digest.'),
      timeout: duration.optional().describe('How long the rollout may take. Default: `defaults.timeout`, then 10m.'),
      scan: expects(
        'a mapping with "fail"',
        z.strictObject({
          fail: fail.describe(
            'What ends the deploy before anything is touched. `new` counts from the release that runs there. Default: report.',
          ),
        }),
      )
        .optional()
        .describe('What its images may not bring that those of the newest release of this environment do not have.'),
      verify: later('Integration tests against what was just deployed.'),
      approval: later('Who must approve, and how many.'),
      rollback: later('What happens when the rollout or the verification fails.'),
    })
    .meta({
      description: 'Deployed on `merge` alone, one after another, when all stages passed and all images are built.',
      dependentRequired: { scan: ['images'] },
    }),
);

const defaults = expects(
  'a mapping',
  z
    .strictObject({
      timeout: duration.optional().describe('For jobs, images and deploys that name none. Default: 10m.'),
      env: env.optional().describe('Environment variables of all jobs.'),
      network: network.optional().describe('For jobs and images that name none. Default: filtered.'),
      image: later('The container image for jobs that name none.'),
    })
    .describe('What stages, jobs, images and deploys fall back to.'),
);

const tuned = (what: string) =>
  expects(
    'a mapping with "fail"',
    z.strictObject({ fail: fail.describe('What makes it fail. Default: new, that is, what was not there before.') }),
  )
    .optional()
    .describe(what);
const scan = expects(
  'a mapping with "secrets", "dependencies" or "image"',
  z
    .strictObject({
      secrets: tuned('Credentials in what a change adds, and in the merged tree.'),
      dependencies: tuned('Published vulnerabilities of the libraries that lock files name.'),
      image: tuned('What is in the image: vulnerable packages, credentials in layers.'),
    })
    .describe('Tunes the scans, which are on by default.'),
);

export const pipelineSchema = expects(
  'a pipeline file: a mapping with "version" and "stages"',
  z
    .strictObject({
      version: expects('1', z.literal(1)).describe('The version of the language. Always 1. Required.'),
      defaults: defaults.optional(),
      stages: listOf(stage, 'stage', limits.stages).describe('In the order of the file, unless `needs` says otherwise. Required.'),
      images: listOf(image, 'image', limits.images).optional().describe('Images to build on `merge`.'),
      deploy: listOf(deploy, 'deploy', limits.deploys).optional().describe('Environments to deploy to on `merge`, in order.'),
      scan: scan.optional(),
    })
    .describe('The pipeline file of a repository, `waybill.yaml`.'),
);

/** A valid pipeline file; durations are milliseconds. */
export type Pipeline = z.output<typeof pipelineSchema>;
export type PipelineStage = Pipeline['stages'][number];
