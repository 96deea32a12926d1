import { rm } from 'node:fs/promises';
import path from 'node:path';
import { fileTime } from '../image/layers/file-time.ts';
import { buildImage } from '../image/layers/build-image.ts';
import type { BuildContext, BuildProgress } from '../image/layers/build-context.ts';
import { WaybillError } from '../kernel/error.ts';
import { connectRegistry } from '../oci/client.ts';
import type { RegistryClient } from '../oci/client-types.ts';
import type { PlannedImage } from '../plan/plan.ts';
import type { RunContext } from '../run/port.ts';
import { baseImage, baseRepository } from './base-image.ts';
import { buildSandbox } from './build-sandbox.ts';
import { issuePapers } from './issue-papers.ts';
import type { World } from './world.ts';

/** Long enough for a large image, short enough to be worth little. */
const pushTokenMs = 15 * 60_000;

/**
 * Builds an image from the merged commit's own tree, pushes it with a token that is minted for this and ends with it, and has its papers
 * signed. Nothing that a step wrote ever sees the token.
 */
export async function publishImage(world: World, context: RunContext, image: PlannedImage): Promise<void> {
  const { head, run, signal } = context;
  if (!head.reviewed) throw new WaybillError('FORBIDDEN', `commit ${head.commit} was not reviewed; no image is built from it`);
  const isolation = await world.runner.isolation();
  if (!isolation.ok) throw new WaybillError('FORBIDDEN', `images are not built without isolation: ${isolation.reason}`);

  const repository = `${head.repository}/${image.name}`;
  const out = path.join(world.workFolder, 'images', `r${run}-${image.name}`);
  await rm(out, { recursive: true, force: true });
  try {
    const info = await world.source.commitInfo(head.repository, head.commit);
    const base = baseRepository(image.base, world.registryName);
    using push = await world.registry.mintPush({ repository, run, ttlMs: pushTokenMs, pullFrom: base === undefined ? [] : [base] });
    using client = connectRegistry({ registry: world.registryAddress, plainHttp: true, auth: { bearer: push.token } });
    const built = await buildImage(image, {
      source: (signal) => world.source.archive(head.repository, head.commit, signal),
      sandbox: buildSandbox(world, context, image),
      base: (reference, platform, signal) => baseImage(client, world.registryName, reference, platform, signal),
      created: new Date(info.committedAt),
      mtime: fileTime,
      cache: path.join(world.workFolder, 'layer-cache'),
      annotations: {
        'org.opencontainers.image.revision': head.commit,
        'org.opencontainers.image.source': `${world.url}/git/${head.repository}.git`,
        'org.opencontainers.image.title': image.name,
      },
      out,
      platform: { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch },
      signal,
      onProgress: (event) => context.log('waybill', describe(event)),
    });
    await context.emit({
      type: 'image-built',
      image: image.name,
      digest: built.digest,
      layers: built.layers,
      ...(built.base ? { base: built.base } : {}),
      compressor: built.compressor,
      sandboxed: world.runner.sandboxed,
    });
    const tag = `r${run}`;
    await pushLayout(client, context, { out, repository, tag, digest: built.digest });
    await context.emit({ type: 'image-pushed', image: image.name, repository, digest: built.digest, tag });
    if (world.runner.sandboxed) await issuePapers(world, context, client, { name: image.name, repository, digest: built.digest });
    else context.log('waybill', 'Nothing is signed: the runner works without a sandbox.');
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

async function pushLayout(
  client: RegistryClient,
  context: RunContext,
  image: { out: string; repository: string; tag: string; digest: Parameters<RegistryClient['pushLayout']>[1] },
): Promise<void> {
  const started = performance.now();
  await client.pushLayout(image.out, image.digest, image.repository, { tag: image.tag, signal: context.signal });
  context.log('waybill', `pushed ${image.repository}@${image.digest} in ${Math.round(performance.now() - started)} ms`);
}

function describe(event: Parameters<BuildContext['onProgress']>[0]): string {
  const seconds = 'milliseconds' in event ? ` in ${(event.milliseconds / 1000).toFixed(1)} s` : '';
  switch (event.kind) {
    case 'sandbox':
      return `ran ${event.commands.join(' && ')}${seconds}`;
    case 'layer':
      return describeLayer(event, seconds);
    case 'base':
      return `base ${event.digest}: ${(event.size / 1e6).toFixed(1)} MB`;
    default:
      return `image ${event.digest}`;
  }
}

function describeLayer({ layer, cached }: Extract<BuildProgress, { kind: 'layer' }>, seconds: string): string {
  const part = layer.part === undefined ? '' : ` (${layer.part})`;
  return `layer ${layer.from} → ${layer.to}${part}: ${(layer.size / 1e6).toFixed(1)} MB${cached ? ', unchanged' : ''}${seconds}, ${layer.diffId}`;
}
