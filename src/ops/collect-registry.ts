import type { Person } from '../identity/person.ts';
import { messageOf } from '../kernel/error.ts';
import type { Collected } from '../registry/collect.ts';
import type { Evicted } from '../registry/mirror/room.ts';
import type { ManifestNode } from '../registry/contents.ts';
import type { World } from './world.ts';

/** What was pushed in the last hours may still be waiting for its papers or its deploy. */
const graceMs = 6 * 60 * 60_000;
const newestReleases = 1_000;

/**
 * Collects the registry: what runs in an environment, what a release may go back to, and what is young or newest stays, with its papers.
 * An environment that cannot be asked keeps everything that was ever released to it. What went, and why the rest stayed, is in the ledger.
 */
export async function collectRegistry(
  world: World,
  by: Pick<Person, 'id'> | 'timer',
  options: { readonly dryRun: boolean; readonly signal: AbortSignal },
): Promise<Collected & { readonly mirrored: Evicted }> {
  const { retention } = world;
  const reasons = await reasonsToKeep(world, options.signal);
  const now = world.clock.now().getTime();
  const young = new Date(now - retention.days * 24 * 60 * 60_000).toISOString();
  const newest = await newestOf(world, retention.perRepository);
  const done = await world.registry.collect({
    ...options,
    graceMs,
    rootReason(image: ManifestNode) {
      const reason = reasons.get(image.digest);
      if (reason !== undefined) return reason;
      if (image.addedAt > young) return `younger than ${retention.days} days`;
      return newest.has(`${image.repository}@${image.digest}`) ? `one of the newest ${retention.perRepository}` : undefined;
    },
  });
  const none: Evicted = { items: 0, bytes: 0 };
  const mirrored = options.dryRun ? none : ((await world.registry.mirrors?.collect(options.signal)) ?? none);
  const removed = done.images.filter((image) => image.fate === 'removed');
  if (!options.dryRun && removed.length > 0) await world.scanning.inventory.forget(removed, await everReleased(world));
  if (!options.dryRun && (removed.length > 0 || done.blobs > 0 || mirrored.items > 0))
    await world.ledger.append({
      kind: 'admin',
      subject: removed.slice(0, 100).map((image) => image.digest),
      body: {
        act: 'registry-collected',
        by: by === 'timer' ? by : by.id,
        removed: removed.slice(0, 1_000).map(({ repository, digest }) => `${repository}@${digest}`),
        images: removed.length,
        blobs: done.blobs,
        bytes: done.bytes,
        mirroredItems: mirrored.items,
        mirroredBytes: mirrored.bytes,
      },
    });
  return { ...done, mirrored };
}

/** What a release names may still run somewhere: what it consists of stays known. */
async function everReleased(world: World): Promise<ReadonlySet<string>> {
  const digests = new Set<string>();
  for (const { name } of await world.environments.list())
    for (const release of await world.releases.list({ environment: name, limit: newestReleases }))
      for (const digest of Object.values(release.digests)) digests.add(digest);
  return digests;
}

async function newestOf(world: World, count: number): Promise<ReadonlySet<string>> {
  const all = await world.registry.images();
  const byRepository = Map.groupBy(all, (image) => image.repository);
  return new Set(
    [...byRepository.values()].flatMap((images) =>
      images
        .sort((a, b) => (a.addedAt < b.addedAt ? 1 : -1))
        .slice(0, count)
        .map(({ repository, digest }) => `${repository}@${digest}`),
    ),
  );
}

/** Digest → why it stays. */
async function reasonsToKeep(world: World, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const reasons = new Map<string, string>();
  const keep = (digest: string, reason: string) => {
    if (!reasons.has(digest)) reasons.set(digest, reason);
  };
  // An import was reviewed by people; as long as its papers hold it may be deployed at any time.
  for (const image of (await world.papers.snapshot())?.snapshot.images ?? [])
    if (image.imported) keep(image.digest, `import ${image.imported.number}, whose papers hold until ${image.validUntil.slice(0, 10)}`);
  for (const environment of await world.environments.list()) {
    const releases = await world.releases.list({ environment: environment.name, limit: newestReleases });
    let asked = true;
    try {
      await using target = await world.target(environment);
      for (const container of await target.running({ signal }))
        if (container.digest !== undefined) keep(container.digest, `runs in ${environment.name}: ${container.workload}`);
    } catch (error) {
      signal.throwIfAborted();
      asked = false;
      world.logger.warn({ environment: environment.name, error: messageOf(error) }, 'an environment could not be asked what runs there');
    }
    for (const [, own] of Map.groupBy(releases, (release) => release.repository))
      for (const [nth, release] of own.entries()) {
        const why =
          release.status === 'started'
            ? `release ${release.id} to ${environment.name} is under way`
            : !asked
              ? `was released to ${environment.name}, which does not answer`
              : nth < world.retention.releases
                ? `release ${release.id} to ${environment.name} can be gone back to`
                : undefined;
        if (why !== undefined) for (const digest of Object.values(release.digests)) keep(digest, why);
      }
  }
  return reasons;
}
