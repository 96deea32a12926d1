import { rm } from 'node:fs/promises';
import path from 'node:path';
import { describeProgress } from '../image/describe-progress.ts';
import { fileTime } from '../image/layers/file-time.ts';
import { WaybillError } from '../kernel/error.ts';
import { connectRegistry } from '../oci/client.ts';
import type { RegistryClient } from '../oci/client-types.ts';
import type { PlannedImage } from '../plan/plan.ts';
import type { RunContext } from '../run/port.ts';
import { baseImage } from './base-image.ts';
import { baseRepositories, buildPlanned } from './build-planned.ts';
import { hostPlatform } from './host-platform.ts';
import { indexPushed } from './index-images.ts';
import { issuePapers } from './issue-papers.ts';
import { publishCopies, publishTargets } from './publish-copies.ts';
import { scanImage } from './scan-image.ts';
import { recordedBase } from './recorded-base.ts';
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

  const targets = await publishTargets(world, head.repository, image);
  const repository = `${head.repository}/${image.name}`;
  const out = path.join(world.workFolder, 'images', `r${run}-${image.name}`);
  await rm(out, { recursive: true, force: true });
  try {
    const info = await world.source.commitInfo(head.repository, head.commit);
    const pullFrom = await baseRepositories(world, context, image);
    using push = await world.registry.mintPush({ repository, run, ttlMs: pushTokenMs, pullFrom });
    using client = connectRegistry({ registry: world.registryAddress, plainHttp: true, auth: { bearer: push.token } });
    const built = await buildPlanned(world, context, image, {
      source: (signal) => world.source.archive(head.repository, head.commit, signal),
      base: async (reference, platform, signal) =>
        baseImage(client, world.registryName, await recordedBase(world, context, client, reference, signal), platform, signal),
      created: new Date(info.committedAt),
      mtime: fileTime,
      cache: path.join(world.workFolder, 'layer-cache'),
      annotations: {
        'org.opencontainers.image.revision': head.commit,
        'org.opencontainers.image.source': `${world.url}/git/${head.repository}.git`,
        'org.opencontainers.image.title': image.name,
      },
      out,
      platform: hostPlatform(),
      signal,
      onProgress: (event) => context.log('waybill', describeProgress(event)),
    });
    await context.emit({
      type: 'image-built',
      image: image.name,
      digest: built.digest,
      layers: built.layers,
      ...(built.base ? { base: built.base } : {}),
      ...(built.dockerfile ? { dockerfile: built.dockerfile } : {}),
      compressor: built.compressor,
      sandboxed: built.sandboxed,
    });
    await scanImage(world, context, { name: image.name, digest: built.digest, layout: out });
    const tag = `r${run}`;
    await pushLayout(client, context, { out, repository, tag, digest: built.digest });
    await context.emit({ type: 'image-pushed', image: image.name, repository, digest: built.digest, tag });
    await indexPushed(world, run, signal);
    if (built.sandboxed) await issuePapers(world, context, client, { name: image.name, repository, digest: built.digest });
    else context.log('waybill', 'Nothing is signed: the image was built without a sandbox.');
    if (targets.length > 0 && !built.sandboxed)
      throw new WaybillError('FORBIDDEN', 'an image without papers is not published to another registry: it was built without a sandbox');
    await publishCopies(world, context, targets, { name: image.name, repository, digest: built.digest, tag });
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
