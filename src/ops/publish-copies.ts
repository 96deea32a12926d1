import type { Digest } from '../kernel/digest.ts';
import { WaybillError } from '../kernel/error.ts';
import { KeyedLock } from '../kernel/keyed-lock.ts';
import { connectRegistry } from '../oci/client.ts';
import type { PlannedImage } from '../plan/plan.ts';
import { copyImage } from '../registry/external/copy-image.ts';
import { externalReference, externalRepository, wireRepository } from '../registry/external/naming.ts';
import type { ExternalRegistry } from '../registry/external/record.ts';
import type { RunContext } from '../run/port.ts';
import type { World } from './world.ts';

const readTokenMs = 60 * 60_000;
/** Two runs may publish one digest: the index of its papers has one writer at a time. */
const writing = new KeyedLock<string>();

/** Told before anything is built. @throws WaybillError NOT_FOUND, FORBIDDEN */
export async function publishTargets(
  world: Pick<World, 'externals'>,
  repository: string,
  image: PlannedImage,
): Promise<ExternalRegistry[]> {
  const targets: ExternalRegistry[] = [];
  for (const name of image.publish ?? []) {
    const record = await world.externals.get(name);
    if (!record)
      throw new WaybillError('NOT_FOUND', `the image ${image.name} is to be published to ${name}, and there is no such registry`, {
        fix: `An administrator adds it: waybill registry add ${name} --server HOST --use publish --repository ${repository}.`,
      });
    if (!record.uses.includes('publish') || !(record.repositories.includes('*') || record.repositories.includes(repository)))
      throw new WaybillError('FORBIDDEN', `images of ${repository} are not published to ${name}: its record does not allow it`, {
        fix: `An administrator allows it: waybill registry add with --use publish --repository ${repository}.`,
      });
    targets.push(record);
  }
  return targets;
}

/**
 * Copies an image that has its papers to every registry that the pipeline file names, with a credential that no step sees. The use of each
 * credential is in the ledger before it is used.
 */
export async function publishCopies(
  world: World,
  context: RunContext,
  targets: readonly ExternalRegistry[],
  image: { readonly name: string; readonly repository: string; readonly digest: Digest; readonly tag: string },
): Promise<void> {
  const { head, run, signal } = context;
  for (const record of targets) {
    const there = externalRepository(record, head.repository, image.name);
    await world.ledger.append({
      kind: 'grant',
      subject: [image.digest, `run:${run}`],
      body: { kind: 'external-push', registry: record.name, server: record.server, repository: there, run, digest: image.digest },
    });
    context.log('waybill', `publishing to ${record.name}: ${externalReference(record, head.repository, image.name, image.digest)}`);
    using _one = await writing.take(`${record.server}/${there}`);
    await world.externals.prepareRepository(record.name, there, signal);
    using read = await world.registry.mintPush({ repository: image.repository, run, ttlMs: readTokenMs });
    using from = connectRegistry({ registry: world.registryAddress, plainHttp: true, auth: { bearer: read.token } });
    using to = await world.externals.connect(record.name, { signal });
    const copied = await copyImage({
      from,
      to,
      source: image.repository,
      target: wireRepository(record.server, there),
      digest: image.digest,
      tag: image.tag,
      signal,
      onProgress: (line) => context.log('waybill', line),
    });
    await context.emit({
      type: 'image-published',
      image: image.name,
      registry: record.name,
      repository: `${record.server}/${there}`,
      digest: image.digest,
      papers: copied.papers,
    });
  }
}
