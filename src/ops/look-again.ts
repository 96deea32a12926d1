import type { BuiltEntry, SnapshotImage } from '../evidence/snapshot.ts';
import { WaybillError, isWaybillError, messageOf } from '../kernel/error.ts';
import { digestsInUse, inUse } from './in-use.ts';
import { lookAtImage } from './look-at-image.ts';
import { inOrder, isDue, lookAgeMs, newestOfEachName } from './looks-due.ts';
import { tellRefused } from './tell-refused.ts';
import type { World } from './world.ts';

export type LookPass = {
  readonly looked: number;
  /** Due, and left for the next pass. */
  readonly waiting: number;
  /** Digests of those that could not be looked at. */
  readonly failed: ReadonlySet<string>;
};

const mostAtOnce = 500;
/** The gate learns of so many at a time. */
const sealAfter = 50;
const recentMs = 24 * 60 * 60_000;

/**
 * Gives fresh papers about vulnerabilities to the images that the gate would admit and the registry still has: those whose look is older than policies like, and those about
 * whose components something else is known since. One that cannot be looked at keeps nobody else from it, and its old paper ages.
 * @param options.failed of the pass before: tried again, last
 * @throws WaybillError CONFLICT while the clock is behind the last snapshot, SIGNER_UNREACHABLE
 * @param options.recover also finishes what a crash has cut off
 */
export async function lookAgain(
  world: World,
  options: { readonly failed: ReadonlySet<string>; readonly recover: boolean },
  signal: AbortSignal,
): Promise<LookPass> {
  const nothing: LookPass = { looked: 0, waiting: 0, failed: new Set() };
  const known = (await world.papers.snapshot())?.snapshot;
  if (!known) return nothing;
  const images = builtImages(known.images);
  const oldest = images.flatMap(({ scans }) => scans?.vulnerabilities?.at ?? []).toSorted()[0];
  if (oldest === undefined) return nothing;
  const now = world.clock.now();
  // A look that is dated before the one that it follows would be hidden by it as soon as the clock is right again.
  if (Date.parse(known.issuedAt) > now.getTime())
    throw new WaybillError(
      'CONFLICT',
      `a snapshot was signed at ${known.issuedAt}, and it is ${now.toISOString()}: the clock went backwards`,
    );
  const ageMs = lookAgeMs(await world.policies());
  const changes = await world.scanning.inventory.changedSince(oldest);
  const due = new Set(images.filter((entry) => isDue(entry, { now, ageMs, changes })));
  const asked = images.filter((entry) => due.has(entry) || options.failed.has(entry.digest) || (options.recover && isRecent(entry, now)));
  if (asked.length === 0) return nothing;

  const uses = await inUse(world, { ask: due.size > 0, signal });
  const order = inOrder(asked, { inUse: new Set(digestsInUse(uses)), newest: newestOfEachName(images), failed: options.failed });
  const looked: BuiltEntry[] = [];
  const failures = new Map<string, string[]>();
  // What need only be finished costs little, and is not counted.
  let done = 0;
  let waiting = 0;
  for (const entry of order) {
    signal.throwIfAborted();
    if (done >= mostAtOnce && due.has(entry)) {
      waiting++;
      continue;
    }
    try {
      if (due.has(entry)) done++;
      if (!(await lookAtImage(world, entry, { onlyFinish: !due.has(entry), signal }))) continue;
      looked.push(entry);
      if (looked.length % sealAfter === 0) await world.papers.seal();
    } catch (error) {
      signal.throwIfAborted();
      // Without a signer every further look would only be one more in the journal that nobody signs.
      if (isWaybillError(error, 'SIGNER_UNREACHABLE')) throw error;
      const same = failures.get(messageOf(error)) ?? [];
      failures.set(messageOf(error), [...same, entry.digest]);
    }
  }
  for (const [error, digests] of failures)
    world.logger.error(
      { error, images: digests.length, digests: digests.slice(0, 5) },
      'images could not be looked up again; their papers about vulnerabilities age',
    );
  if (looked.length > 0) {
    await world.papers.seal();
    world.logger.info({ images: looked.length, waiting }, 'images have fresh papers about vulnerabilities');
    await tellRefused(world, looked, uses);
  }
  return { looked: looked.length, waiting, failed: new Set([...failures.values()].flat()) };
}

/** No policy asks for a look at an import: what was found in it stands in its paper. */
function builtImages(images: readonly SnapshotImage[]): readonly BuiltEntry[] {
  return images.flatMap((image) => (image.imported ? [] : [image]));
}

function isRecent({ scans }: BuiltEntry, now: Date): boolean {
  return now.getTime() - Date.parse(scans?.vulnerabilities?.at ?? '') < recentMs;
}
