import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WaybillError, isWaybillError } from '../../kernel/error.ts';
import { hexOf, type Digest } from '../../kernel/digest.ts';
import { withDeadline } from '../../kernel/deadline.ts';
import type { Secret } from '../../kernel/secret.ts';
import { createLayout, refNameAnnotation } from '../../oci/layout.ts';
import { ociManifest } from '../../oci/media-types.ts';
import type { PlannedDockerfile, PlannedImage } from '../../plan/plan.ts';
import { readBase } from '../layers/base-layers.ts';
import type { BaseImage, BuildContext, BuiltImage } from '../layers/build-context.ts';
import { compressorOf } from '../layers/compress.ts';
import { seconds } from '../layers/image-config.ts';
import { defaultLimits } from '../layers/limits.ts';
import { tarTree } from '../layers/tar-tree.ts';
import type { Tree } from '../layers/tree.ts';
import type { DockerfileEngine, EngineBase } from './engine.ts';
import { finishImage, type FinishBase } from './finish-image.ts';
import { largestDockerfile, pinDockerfile, readDockerfile, type ReadDockerfile } from './read-dockerfile.ts';
import { readTreeFile, writeTree } from './write-tree.ts';

/** What a Dockerfile build may touch, besides what every image build may. */
export type DockerfileContext = Omit<BuildContext, 'sandbox'> & {
  readonly engine: DockerfileEngine;
  /** By their ids; exactly those that the pipeline file names. */
  readonly secrets: ReadonlyMap<string, Secret>;
  /** A folder for this build alone; made here, gone afterwards. */
  readonly work: string;
  /** Time of the files of the context; that of the layers unless told. What comes out must not depend on it. */
  readonly contextTime?: Date;
  onLine(line: string): void;
};

export type BuiltFromDockerfile = BuiltImage & {
  /** Every image that the Dockerfile names, with the digest that it stood for. */
  readonly bases: readonly { readonly reference: string; readonly digest: Digest }[];
  readonly engine: { readonly name: string; readonly version: string; readonly confined: boolean };
};

/**
 * Builds an image from a Dockerfile of the commit's own tree, through an engine, into an OCI layout like any other image of ours. Every base is
 * resolved to a digest first and handed to the engine from a layout; the engine knows no registry and no credential.
 * @throws WaybillError NOT_FOUND, INVALID_INPUT with the line of the Dockerfile, UNSUPPORTED, BUILD_FAILED with what the engine said,
 * IMAGE_BASE_INVALID, LIMIT_EXCEEDED, DEADLINE_EXCEEDED; whatever the context throws
 */
export async function buildDockerfile(
  image: PlannedImage,
  dockerfile: PlannedDockerfile,
  context: DockerfileContext,
): Promise<BuiltFromDockerfile> {
  using deadline = withDeadline(context.signal, image.timeoutMs, `the build of image ${image.name}`);
  try {
    await mkdir(context.work, { recursive: true, mode: 0o700 });
    return await build(image, dockerfile, { ...context, signal: deadline.signal });
  } catch (error) {
    deadline.signal.throwIfAborted();
    throw error;
  } finally {
    await rm(context.work, { recursive: true, force: true });
  }
}

async function build(image: PlannedImage, dockerfile: PlannedDockerfile, context: DockerfileContext): Promise<BuiltFromDockerfile> {
  const { engine, work, signal, platform } = context;
  await using tree = await tarTree((abort) => context.source(abort), work, { ...defaultLimits, ...context.limits }, signal);
  const read = readFrom(tree, image, dockerfile, context);
  const bases = await fetchBases(read, context);
  const prepared = await prepare(tree, read, dockerfile, bases, context);
  const out = join(work, 'o');
  context.onProgress({ kind: 'engine', name: engine.name, version: engine.version, isolation: engine.isolation });
  await engine.build({
    ...prepared,
    work,
    bases: [...bases.values()].map(({ name, layout, digest }) => ({ name, layout, digest })),
    ...(dockerfile.target === undefined ? {} : { target: dockerfile.target }),
    args: {
      ...dockerfile.args,
      // For programs that know it (reproducible-builds.org); one that the Dockerfile does not declare would only be warned about.
      ...(read.args.has('SOURCE_DATE_EPOCH') ? { SOURCE_DATE_EPOCH: String(Math.floor(context.created.getTime() / 1000)) } : {}),
    },
    network: image.network,
    time: context.mtime ?? context.created,
    platform,
    out,
    signal,
    onLine: context.onLine,
  });
  const layout = await createLayout(context.out);
  const compression = image.compression ?? 'zstd';
  const named = new Map(
    [...bases.values()].map(({ reference, resolved }) => [`${reference} ${resolved}`, { reference, digest: resolved }]),
  );
  const { manifest, layers } = await finishImage({
    from: out,
    to: layout,
    bases: [...bases.values()].map(({ finish }) => finish),
    platform,
    created: context.created,
    annotations: { 'org.opencontainers.image.created': seconds(context.created), ...context.annotations },
    file: dockerfile.file,
    name: image.name,
    compression,
    work,
    cache: context.cache,
    concurrency: context.concurrency,
    signal,
    onLayer: (layer, cached, milliseconds) => context.onProgress({ kind: 'layer', layer, cached, milliseconds }),
  });
  const entry = await layout.addBlob(Buffer.from(JSON.stringify(manifest)), ociManifest);
  await layout.addEntry(entry, { [refNameAnnotation]: image.name });
  context.onProgress({ kind: 'image', digest: entry.digest });
  return {
    name: image.name,
    digest: entry.digest,
    size: entry.size,
    layout: context.out,
    manifests: [{ platform, digest: entry.digest, size: entry.size, manifest }],
    layers,
    compressor: compressorOf(compression),
    bases: [...named.values()],
    engine: { name: engine.name, version: engine.version, confined: engine.confined },
  };
}

function readFrom(tree: Tree, image: PlannedImage, dockerfile: PlannedDockerfile, context: DockerfileContext): ReadDockerfile {
  const bytes = readTreeFile(tree, dockerfile.file, largestDockerfile);
  if (!bytes) throw new WaybillError('NOT_FOUND', `there is no file ${dockerfile.file} in the tree (image ${image.name})`);
  const missing = dockerfile.secrets.find((id) => !context.secrets.has(id));
  if (missing !== undefined) throw new WaybillError('INVALID_INPUT', `the build secret ${missing} of image ${image.name} was not given`);
  let read: ReadDockerfile;
  try {
    read = readDockerfile(bytes.toString('utf8'), { args: dockerfile.args, platform: context.platform });
  } catch (error) {
    if (!isWaybillError(error)) throw error;
    throw new WaybillError(error.code, `${dockerfile.file}, ${error.detail}`, { cause: error, fix: error.fix });
  }
  const [line] = read.fetches;
  // An engine behind our wall has no network by itself; a daemon fetches with its own.
  if (line !== undefined && image.network === 'none')
    throw new WaybillError(
      'INVALID_INPUT',
      `${dockerfile.file}, line ${line}: ADD fetches from the network (or may: its source is a variable), and the image has none`,
      {
        fix: 'Keep the file in the repository, or declare `network: filtered` for this image.',
      },
    );
  return read;
}

type PreparedBase = EngineBase & { readonly reference: string; readonly resolved: Digest; readonly finish: FinishBase };

/** Each base in a layout of its own, by reference. */
async function fetchBases(read: ReadDockerfile, context: DockerfileContext): Promise<ReadonlyMap<string, PreparedBase>> {
  const { work, signal, platform } = context;
  const bases = new Map<string, PreparedBase>();
  for (const { reference } of read.bases) {
    if (bases.has(reference)) continue;
    const image = await context.base(reference, platform, signal);
    const { config, layers } = readBase(reference, image, platform);
    const name = `localhost/waybill-base-${hexOf(image.digest).slice(0, 32)}`;
    const folder = join(work, `b${bases.size}`);
    await copyBase(folder, image, context);
    bases.set(reference, {
      reference,
      name,
      layout: folder,
      digest: image.digest,
      resolved: image.resolved,
      finish: { diffIds: config.rootfs.diff_ids, layers, blob: (layer) => image.blob(layer, signal) },
    });
    context.onProgress({ kind: 'base', digest: image.digest, size: layers.reduce((sum, layer) => sum + layer.size, 0) });
  }
  return bases;
}

/** The base's very manifest, so that it keeps its digest. */
async function copyBase(folder: string, image: BaseImage, { signal }: DockerfileContext): Promise<void> {
  const layout = await createLayout(folder);
  const { manifest } = image;
  await layout.addBlob(Buffer.from(image.config), manifest.config.mediaType, { expected: manifest.config, signal });
  for (const layer of new Map(manifest.layers.map((each) => [each.digest, each])).values())
    await layout.addBlob(await image.blob(layer, signal), layer.mediaType, { expected: layer, signal });
  await layout.addEntry(await layout.addBlob(Buffer.from(JSON.stringify(manifest)), manifest.mediaType ?? ociManifest));
}

async function prepare(
  tree: Tree,
  read: ReadDockerfile,
  dockerfile: PlannedDockerfile,
  bases: ReadonlyMap<string, PreparedBase>,
  context: DockerfileContext,
) {
  const { work, signal } = context;
  await writeTree(tree, dockerfile.context, join(work, 'c'), context.contextTime ?? context.mtime ?? context.created, signal);
  const folder = join(work, 'd');
  await mkdir(folder);
  await writeFile(
    join(folder, 'Dockerfile'),
    pinDockerfile(read, (reference) => bases.get(reference)?.name ?? reference),
  );
  const ignore = readTreeFile(tree, `${dockerfile.file}.dockerignore`, largestDockerfile);
  if (ignore) await writeFile(join(folder, 'Dockerfile.dockerignore'), ignore);
  const secrets: { id: string; file: string }[] = [];
  await mkdir(join(work, 'k'), { mode: 0o700 });
  for (const id of dockerfile.secrets) {
    const file = join(work, 'k', `${secrets.length}`);
    await writeFile(file, context.secrets.get(id)?.reveal() ?? '', { mode: 0o600, flag: 'wx' });
    await chmod(file, 0o400);
    secrets.push({ id, file });
  }
  return { context: join(work, 'c'), dockerfile: folder, ignoreFile: ignore !== undefined, secrets };
}
