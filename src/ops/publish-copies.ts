import type { Digest } from '../kernel/digest.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { WaybillError, isWaybillError, messageOf } from '../kernel/error.ts';
import { KeyedLock } from '../kernel/keyed-lock.ts';
import { connectRegistry } from '../oci/client.ts';
import type { PlannedImage } from '../plan/plan.ts';
import { copyImage, type Copied } from '../registry/external/copy-image.ts';
import { externalReference, externalRepository, wireRepository } from '../registry/external/naming.ts';
import type { ExternalRegistry } from '../registry/external/record.ts';
import type { RunContext } from '../run/port.ts';
import type { World } from './world.ts';

/** Of each key that reads our own registry; a copy that takes longer is given the next. */
const readTokenMs = 15 * 60_000;
/** A registry that is being restarted, or a network that is away, is waited for; each single call has its own retries before. */
export const publishRetryMs: readonly number[] = [10_000, 30_000, 90_000];
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
 * credential is in the ledger before it is used. A registry that is away for a moment is waited for, some minutes in all.
 */
export async function publishCopies(
  world: World,
  context: RunContext,
  targets: readonly ExternalRegistry[],
  image: PublishedImage,
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
    const copied = await waitingFor(
      () => publishTo(world, context, record, there, image),
      publishRetryMs,
      signal,
      (line) => context.log('waybill', `${record.name}: ${line}`),
    );
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

type PublishedImage = { readonly name: string; readonly repository: string; readonly digest: Digest; readonly tag: string };

async function publishTo(
  world: World,
  { run, signal, log }: RunContext,
  record: ExternalRegistry,
  there: string,
  image: PublishedImage,
): Promise<Copied> {
  using _one = await writing.take(`${record.server}/${there}`);
  await world.externals.prepareRepository(record.name, there, signal);
  using keys = new DisposableStack();
  const read = async () => keys.use(await world.registry.mintRead({ repository: image.repository, run, ttlMs: readTokenMs })).token;
  using from = connectRegistry({ registry: world.registryAddress, plainHttp: true, auth: async () => ({ bearer: await read() }) });
  using to = await world.externals.connect(record.name, { signal });
  return await copyImage({
    from,
    to,
    source: image.repository,
    target: wireRepository(record.server, there),
    digest: image.digest,
    tag: image.tag,
    signal,
    onProgress: (line) => log('waybill', line),
  });
}

/**
 * Tries again after each of the delays what failed because somebody did not answer. A refusal stays one.
 * @throws what the last attempt threw; the signal's reason
 */
export async function waitingFor<T>(
  attempt: () => Promise<T>,
  delaysMs: readonly number[],
  signal: AbortSignal,
  onWait: (line: string) => void,
): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      const delay = delaysMs[tries];
      if (delay === undefined || !isWaybillError(error, 'REGISTRY_FAILED', 'DEADLINE_EXCEEDED')) throw error;
      onWait(`${messageOf(error)}; tried again in ${Math.round(delay / 1000)} s, attempt ${tries + 2} of ${delaysMs.length + 1}`);
      await sleep(delay, undefined, { signal });
    }
  }
}
