import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { plain } from '../cli/terminal.ts';
import type { LocalBuild, LocalBuildOptions } from '../cli/local-build.ts';
import { diffImages } from '../image/diff/diff-images.ts';
import { describeProgress } from '../image/describe-progress.ts';
import { readLayoutImage } from '../image/inspect/image-reader.ts';
import type { BuildContext } from '../image/layers/build-context.ts';
import { buildImage } from '../image/layers/build-image.ts';
import { fileTime } from '../image/layers/file-time.ts';
import { buildDockerfile } from '../image/dockerfile/build-dockerfile.ts';
import { findEngine } from '../image/dockerfile/find-engine.ts';
import { keepOnly } from '../image/local-layout.ts';
import { systemClock } from '../kernel/clock.ts';
import { WaybillError } from '../kernel/error.ts';
import { silentLogger } from '../kernel/logger.ts';
import { planFor } from '../plan/make-plan.ts';
import { parsePipeline } from '../plan/parse.ts';
import { problemsText } from '../plan/problem-text.ts';
import type { PlannedImage } from '../plan/plan.ts';
import { openHostRunner } from '../runner/host/open.ts';
import { openFilteredNetwork } from '../runner/host/network.ts';
import type { HostRunner } from '../runner/host/options.ts';
import { openCheckout, type Checkout } from './checkout.ts';
import { findToolchains } from './toolchains.ts';

const largestPipelineFile = 1024 * 1024;

/** No file of a first build has it. */
const otherTime = '2001-02-03T04:05:06Z';

type Options = LocalBuildOptions & { readonly environment: NodeJS.ProcessEnv };

/**
 * Builds images of the pipeline file without a server, by the same code: from a commit's own tree, `after` commands in the runner's
 * sandbox. Nothing is pushed and nothing is signed. With `check` each is built again from nothing, and compared.
 * @throws WaybillError INVALID_INPUT for a pipeline file with problems, NOT_FOUND, and whatever the build throws
 */
export async function buildLocal(options: Options): Promise<readonly LocalBuild[]> {
  const { cwd, revision, signal } = options;
  await using stack = new AsyncDisposableStack();
  const scratch = await mkdtemp(path.join(tmpdir(), 'waybill-build-'));
  stack.defer(() => rm(scratch, { recursive: true, force: true }));
  const checkout = await openCheckout({ cwd, revision, scratch, signal });
  const images = await plannedImages(checkout, options);
  requireDeclared(options.secrets, images);
  let runner: HostRunner | undefined;
  const sandboxes = async (): Promise<HostRunner> => (runner ??= stack.use(await openRunner(path.join(scratch, 'work'), options)));

  const out = await outFolder(checkout, options.out);
  const built: LocalBuild[] = [];
  for (const image of images) {
    const build = (to: string, name: string) =>
      buildOne(image, { checkout, options, sandboxes, out: to, work: path.join(scratch, name), again: name.startsWith('second') });
    const result = await build(out, `first-${image.name}`);
    await keepOnly(out, image.name, result.digest);
    let comparison: LocalBuild['comparison'];
    if (options.check) {
      options.note(`${image.name}: ${result.digest}; building it again, from nothing`);
      const second = path.join(scratch, `second-${image.name}.oci`);
      await build(second, `second-${image.name}`);
      const [one, other] = [await readLayoutImage(out, image.name), await readLayoutImage(second, image.name)];
      comparison = await diffImages({ ...one, name: 'first build' }, { ...other, name: 'second build' }, { signal });
      await rm(second, { recursive: true, force: true });
    }
    built.push({
      name: image.name,
      layout: out,
      digest: result.digest,
      ...(checkout.commit && { commit: checkout.commit }),
      ...(comparison && { comparison }),
    });
  }
  return built;
}

async function plannedImages(checkout: Checkout, options: Options): Promise<readonly PlannedImage[]> {
  const bytes = await checkout.readFile('waybill.yaml', largestPipelineFile);
  const where = checkout.commit ? `commit ${checkout.commit.slice(0, 12)}` : 'the working tree';
  if (bytes === undefined)
    throw new WaybillError('NOT_FOUND', `there is no waybill.yaml in ${where}`, {
      fix: 'Add one at the root of the repository; git commit it, or build with --worktree.',
    });
  const text = bytes.toString('utf8');
  const parsed = parsePipeline(text);
  if (!parsed.ok) {
    options.note(problemsText(parsed.problems, text, options.colour));
    throw new WaybillError('INVALID_INPUT', `the waybill.yaml of ${where} has ${parsed.problems.length} problem(s)`);
  }
  const { images } = planFor(parsed.pipeline, 'merge');
  const known = images.map((image) => image.name).join(', ') || 'none';
  if (images.length === 0) throw new WaybillError('NOT_FOUND', `the waybill.yaml of ${where} describes no image`);
  if (options.name === undefined) return images;
  const named = images.filter((image) => image.name === options.name);
  if (named.length === 0)
    throw new WaybillError('NOT_FOUND', `there is no image ${options.name} in the waybill.yaml of ${where}`, {
      fix: `There is: ${known}.`,
    });
  return named;
}

/** A secret that no image asks for is a misspelt one. */
function requireDeclared(secrets: Options['secrets'], images: readonly PlannedImage[]): void {
  const declared = new Set(images.flatMap((image) => image.dockerfile?.secrets ?? []));
  for (const id of secrets.keys())
    if (!declared.has(id))
      throw new WaybillError('INVALID_INPUT', `no image of the pipeline file has a build secret ${id}`, {
        fix: 'Name it in `dockerfile.secrets` of the image.',
      });
}

type One = {
  readonly checkout: Checkout;
  readonly options: Options;
  readonly sandboxes: () => Promise<HostRunner>;
  readonly out: string;
  /** A folder of this build alone. */
  readonly work: string;
  /** The second build of a check: nothing of the first may make it the same. */
  readonly again: boolean;
};

async function buildOne(image: PlannedImage, one: One): Promise<{ digest: LocalBuild['digest'] }> {
  const { checkout, options } = one;
  const { signal } = options;
  await mkdir(one.work, { recursive: true });
  const context: Omit<BuildContext, 'sandbox'> = {
    source: (each) => checkout.archive(each),
    base: (reference, platform, each) => options.base(reference, platform, each),
    created: checkout.committedAt,
    mtime: fileTime,
    annotations: {
      ...(checkout.commit ? { 'org.opencontainers.image.revision': checkout.commit } : {}),
      ...(checkout.origin === undefined ? {} : { 'org.opencontainers.image.source': checkout.origin }),
      'org.opencontainers.image.title': image.name,
    },
    out: one.out,
    platform: { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch },
    signal,
    onProgress: (event) => options.note(`${image.name}: ${plain(describeProgress(event))}`),
  };
  const { dockerfile } = image;
  if (!dockerfile) return await buildImage(image, { ...context, sandbox: sandboxOf(image, one) });
  const engine = await findEngine({
    environment: options.environment,
    ...(options.engine === undefined ? {} : { wanted: options.engine }),
    confinedOnly: false,
    openNetwork: (each) => openFilteredNetwork(process.geteuid?.() === 0, [], each),
    signal,
  });
  if (!engine.confined) options.note(`${image.name}: ${engine.name} is not confined: ${engine.isolation}`);
  const secrets = new Map(
    dockerfile.secrets.flatMap((id) => {
      const secret = options.secrets.get(id);
      return secret === undefined ? [] : [[id, secret] as const];
    }),
  );
  return await buildDockerfile(image, dockerfile, {
    ...context,
    engine,
    secrets,
    work: path.join(one.work, 'engine'),
    ...(one.again ? { contextTime: new Date(otherTime) } : {}),
    onLine: (line) => options.note(`${image.name} │ ${plain(line)}`),
  });
}

function sandboxOf(image: PlannedImage, { checkout, options, sandboxes, work }: One): BuildContext['sandbox'] {
  let builds = 0;
  return async (commands, signal) => {
    const runner = await sandboxes();
    const handle = await runner.start(
      {
        id: `${path
          .basename(work)
          .replaceAll(/[^A-Za-z0-9]+/g, '-')
          .slice(0, 40)}-${++builds}`,
        source: { tar: await checkout.archive(signal) },
        env: checkout.commit ? { WAYBILL_COMMIT: checkout.commit } : {},
        network: image.network,
      },
      signal,
    );
    try {
      const until = performance.now() + image.timeoutMs;
      for (const run of commands) {
        options.note(`${image.name}: $ ${plain(run)}`);
        const result = await handle.step(
          { run, env: {} },
          {
            signal,
            timeoutMs: Math.max(1, Math.ceil(until - performance.now())),
            onLine: (line) => options.note(`${image.name} │ ${plain(line.text)}`),
          },
        );
        if (result.status !== 'passed') throw new WaybillError('BUILD_FAILED', `${run}: ${result.reason}`);
      }
      return { folder: handle.workspace, [Symbol.asyncDispose]: () => handle[Symbol.asyncDispose]() };
    } catch (error) {
      await handle[Symbol.asyncDispose]();
      throw error;
    }
  };
}

async function openRunner(folder: string, options: Options): Promise<HostRunner> {
  const tools = findToolchains(options.environment['PATH'] ?? '', ['node', 'npm']);
  const runner = await openHostRunner({
    folder,
    logger: silentLogger,
    clock: systemClock,
    toolchains: tools.folders,
    path: [...tools.path, '/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'].join(':'),
    allowAddresses: [],
    unsafeNoSandbox: options.unsafeNoSandbox,
  });
  const isolation = await runner.isolation();
  if (isolation.ok) return runner;
  await runner[Symbol.asyncDispose]();
  throw new WaybillError('UNSUPPORTED', `no sandbox works here: ${isolation.reason}`, {
    fix: 'Mend that, or for code that you trust: waybill image build --unsafe-no-sandbox.',
  });
}

/** Beside the checkout's own files and out of git's sight, unless another folder is named. */
async function outFolder(checkout: Checkout, named: string | undefined): Promise<string> {
  if (named !== undefined) return named;
  const folder = path.join(checkout.folder, '.waybill');
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, '.gitignore'), '*\n');
  return path.join(folder, 'images');
}
