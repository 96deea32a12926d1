import path from 'node:path';
import { buildDockerfile } from '../image/dockerfile/build-dockerfile.ts';
import { largestDockerfile, readDockerfile } from '../image/dockerfile/read-dockerfile.ts';
import type { BuildContext, BuiltImage } from '../image/layers/build-context.ts';
import { buildImage } from '../image/layers/build-image.ts';
import { WaybillError } from '../kernel/error.ts';
import type { PlannedImage } from '../plan/plan.ts';
import type { RunContext } from '../run/port.ts';
import type { RunEvent } from '../run/event.ts';
import { baseRepository } from './base-image.ts';
import { buildSandbox } from './build-sandbox.ts';
import { hostPlatform } from './host-platform.ts';
import type { World } from './world.ts';

type Built = BuiltImage & {
  /** Nothing that was built without one is signed. */
  readonly sandboxed: boolean;
  readonly dockerfile?: Extract<RunEvent, { type: 'image-built' }>['dockerfile'];
};

/** The one place that chooses how an image of a plan is built: from a Dockerfile through an engine, or in layers. */
export async function buildPlanned(
  world: World,
  context: RunContext,
  image: PlannedImage,
  parts: Omit<BuildContext, 'sandbox'>,
): Promise<Built> {
  const { dockerfile } = image;
  if (!dockerfile) {
    const built = await buildImage(image, { ...parts, sandbox: buildSandbox(world, context, image) });
    return { ...built, sandboxed: world.runner.sandboxed };
  }
  if (dockerfile.secrets.length > 0)
    throw new WaybillError(
      'UNSUPPORTED',
      `image ${image.name} needs the build secret ${dockerfile.secrets.join(', ')}, and a server keeps no secrets for builds yet`,
      {
        fix: 'Build without it (`waybill image build --secret` works without a server), or bring what it fetches into the repository.',
      },
    );
  const engine = await world.dockerfileEngine(context.signal);
  const { bases, ...built } = await buildDockerfile(image, dockerfile, {
    ...parts,
    engine,
    secrets: new Map(),
    work: path.join(world.workFolder, 'images', `r${context.run}-${image.name}.engine`),
    onLine: (line) => context.log('stdout', line),
  });
  return {
    ...built,
    sandboxed: world.runner.sandboxed && engine.confined,
    dockerfile: { file: dockerfile.file, engine: `${engine.name} ${engine.version}`, bases },
  };
}

/**
 * The repositories of our own registry that the build may pull from: its bases', and no other.
 * @throws WaybillError UNSUPPORTED for a base in another registry, INVALID_INPUT with the line of a Dockerfile, NOT_FOUND
 */
export async function baseRepositories(world: World, { head }: RunContext, image: PlannedImage): Promise<string[]> {
  const references = image.dockerfile ? await dockerfileBases(world, head, image, image.dockerfile) : [image.base];
  const repositories = references.map((reference) => baseRepository(reference, world.registryName));
  return [...new Set(repositories.filter((repository) => repository !== undefined))];
}

async function dockerfileBases(
  world: World,
  head: RunContext['head'],
  image: PlannedImage,
  dockerfile: NonNullable<PlannedImage['dockerfile']>,
): Promise<string[]> {
  const bytes = await world.source.readFile(head.repository, head.commit, dockerfile.file, { maxBytes: largestDockerfile });
  if (!bytes) throw new WaybillError('NOT_FOUND', `there is no file ${dockerfile.file} in commit ${head.commit} (image ${image.name})`);
  const read = readDockerfile(bytes.toString('utf8'), { args: dockerfile.args, platform: hostPlatform() });
  return read.bases.map((base) => base.reference);
}
