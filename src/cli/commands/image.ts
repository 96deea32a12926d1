import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { Command } from 'commander';
import { engineNames, type EngineName } from '../../image/dockerfile/engine.ts';
import { WaybillError } from '../../kernel/error.ts';
import { Secret } from '../../kernel/secret.ts';
import type { BaseImage } from '../../image/layers/build-context.ts';
import { formatPlatform, suits, type Platform } from '../../image/layers/platform.ts';
import type { ImageDescription } from '../../image/inspect/inspect-image.ts';
import type { CliContext } from '../context.ts';
import { collect, readNamed } from '../input.ts';
import type { LocalBuild } from '../local-build.ts';
import { show } from '../output.ts';
import { firstLine } from '../show-image.ts';
import { imageImportCommands } from './image-import.ts';
import { imageTrustCommands } from './image-trust.ts';
import { imagePushCommand } from './image-push.ts';
import { imageReadCommands } from './image-read.ts';

type BuildOptions = {
  out?: string;
  check: boolean;
  commit: string;
  worktree: boolean;
  base: readonly string[];
  secret: readonly string[];
  engine?: string;
  unsafeNoSandbox: boolean;
};

const largestConfig = 4 * 1024 * 1024;

/** `waybill image …`: what can be done with images without a server; others add to it. */
export function imageCommands(program: Command, context: CliContext): Command {
  const image = program.command('image').description('Images: build, look into, compare and push them, without a server');
  image
    .command('build [name]')
    .description('Build the images of the pipeline file here, as the server would: from the commit’s own tree, into an OCI layout')
    .option('--out <layout>', 'folder of the OCI layout (default: .waybill/images in the checkout)')
    .option('--check', 'build twice, the second time from nothing, and show the first file that differs; status 1 when one does', false)
    .option('--commit <rev>', 'build from this commit', 'HEAD')
    .option('--worktree', 'build from the working tree as it lies here, with what is not committed', false)
    .option('--base <name=layout>', 'take a base image from a layout (LAYOUT or LAYOUT:NAME); can be given again', collect, [])
    .option('--secret <id=ID,src=FILE>', 'a build secret of a Dockerfile, from a file; can be given again', collect, [])
    .option('--engine <name>', `what builds Dockerfiles: ${engineNames.join(', ')} (default: the first that answers)`)
    .option('--unsafe-no-sandbox', 'run commands as plain processes where no sandbox works; only for code that you trust', false)
    .action(async (name: string | undefined, options: BuildOptions) => buildImages(program, context, name, options));
  imageReadCommands(image, program, context);
  imagePushCommand(image, program, context);
  imageImportCommands(image, program, context);
  imageTrustCommands(image, program, context);
  return image;
}

async function buildImages(program: Command, context: CliContext, name: string | undefined, options: BuildOptions): Promise<void> {
  if (options.worktree)
    context.note('BUILDING FROM THE WORKING TREE: what comes out was in no commit and no review, and the server would not build it.');
  if (options.unsafeNoSandbox) context.note('WITHOUT A SANDBOX: the commands of the pipeline file can do whatever you can.');
  using stack = new DisposableStack();
  const bases = new Map(options.base.map(baseOption));
  const built = await context.processes.buildImages({
    cwd: context.cwd,
    name,
    out: options.out === undefined ? undefined : path.resolve(context.cwd, options.out),
    check: options.check,
    revision: options.worktree ? 'worktree' : options.commit,
    secrets: await buildSecrets(context.cwd, options.secret),
    engine: engineOption(options.engine),
    unsafeNoSandbox: options.unsafeNoSandbox,
    colour: context.colour,
    signal: context.signal,
    base: (reference, platform) => openBase(context, bases.get(reference) ?? reference, platform, stack),
    note: context.note,
  });
  const { inspectImage } = await import('../../image/inspect/inspect-image.ts');
  const { openImage } = await import('../open-image.ts');
  const { comparisonLines, descriptionLines } = await import('../show-image.ts');
  const descriptions: (LocalBuild & { readonly description: ImageDescription })[] = [];
  for (const image of built)
    descriptions.push({
      ...image,
      description: await inspectImage(await openImage(context, `oci:${image.layout}@${image.digest}`, stack)),
    });
  show(context, program, descriptions, (paint, rows) =>
    descriptions.flatMap(({ description, comparison, name: image }) => [
      ...descriptionLines(description, paint, rows),
      ...(comparison === undefined
        ? []
        : comparison.same
          ? ['', paint('green', `✔ ${image} is reproducible: built twice, the same digest`)]
          : ['', paint('red', `✘ ${image} is not reproducible`), ...comparisonLines(comparison, paint, rows)]),
      '',
    ]),
  );
  for (const { name: image, comparison } of built) {
    if (comparison === undefined || comparison.same) continue;
    context.exitWith(1);
    if (comparison.first) context.note(`${image} is not reproducible; ${firstLine(comparison.first, (_, text) => text)}`);
  }
}

/** `id=npmrc,src=./.npmrc`, as docker and buildah write it. */
async function buildSecrets(cwd: string, given: readonly string[]): Promise<Map<string, Secret>> {
  const secrets = new Map<string, Secret>();
  for (const text of given) {
    const fields = Object.fromEntries(text.split(',').map((field) => [field.split('=', 1)[0] ?? '', field.slice(field.indexOf('=') + 1)]));
    const { id, src } = fields;
    if (id === undefined || src === undefined || Object.keys(fields).length !== 2)
      throw new WaybillError('INVALID_INPUT', 'a build secret is not written as id=ID,src=FILE', { fix: '--secret id=npmrc,src=./.npmrc' });
    secrets.set(id, new Secret(await readNamed(cwd, src)));
  }
  return secrets;
}

function engineOption(text: string | undefined): EngineName | undefined {
  const found = engineNames.find((name) => name === text);
  if (text !== undefined && found === undefined)
    throw new WaybillError('INVALID_INPUT', `there is no engine ${JSON.stringify(text.slice(0, 100))}`, {
      fix: `One of: ${engineNames.join(', ')}.`,
    });
  return found;
}

function baseOption(text: string): [string, string] {
  const [, reference, layout] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (reference === undefined || layout === undefined)
    throw new WaybillError('INVALID_INPUT', `${JSON.stringify(text.slice(0, 200))} is no base`, {
      fix: 'Write it as NAME=LAYOUT: --base node:24=./node.oci',
    });
  return [reference, `oci:${layout}`];
}

/** A base from a layout or a registry, for the platform that is built. */
async function openBase(context: CliContext, text: string, wanted: Platform, stack: DisposableStack): Promise<BaseImage> {
  const { openImage } = await import('../open-image.ts');
  const { platformsOf } = await import('../../image/inspect/image-reader.ts');
  const reader = await openImage(context, text, stack);
  const image = (await platformsOf(reader)).find(({ platform }) => suits(platform, wanted));
  if (!image) throw new WaybillError('IMAGE_BASE_INVALID', `${text} holds no image for ${formatPlatform(wanted)}`);
  const { config } = image.manifest.image;
  if (config.size > largestConfig)
    throw new WaybillError('IMAGE_BASE_INVALID', `the configuration of ${text} is larger than ${largestConfig} bytes`);
  return {
    resolved: reader.top.digest,
    digest: image.manifest.digest,
    manifest: image.manifest.image,
    config: await buffer(await reader.blob(config)),
    blob: (descriptor) => reader.blob(descriptor),
  };
}
