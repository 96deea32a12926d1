import type { NewlyVulnerableReply, NewlyVulnerableView, WhereView } from '../api/where-views.ts';
import { parseWanted } from '../scan/inventory/wanted.ts';
import type { FoundComponent } from '../scan/inventory/find-components.ts';
import type { InventoryImage } from '../scan/inventory/inventory.ts';
import { digestsInUse, inUse, type EnvironmentUse } from './in-use.ts';
import type { World } from './world.ts';

export type WhereWorld = Pick<World, 'scanning' | 'environments' | 'releases' | 'target' | 'clock'>;
type Pod = WhereView['images'][number]['pods'][number];

const mostListed = 200;
const newsDays = 30;
const mostNews = 50;

/**
 * Which images, releases, environments and pods have a package or what an advisory is about. An environment that does not answer, and what runs without anybody
 * knowing what it consists of, is told. @throws WaybillError INVALID_INPUT
 */
export async function where(
  world: WhereWorld,
  query: { readonly what: string; readonly pods: boolean; readonly limit: number },
  signal: AbortSignal,
): Promise<WhereView> {
  const { inventory } = world.scanning;
  const wanted = parseWanted(query.what);
  const uses = await inUse(world, { ask: query.pods, signal });
  const found = await inventory.find(wanted, { digests: digestsInUse(uses), limit: query.limit });
  const { running, unknown } = await sortPods(world, uses);
  const advisories =
    wanted.kind === 'advisory'
      ? (await world.scanning.advisoryStates()).map(({ ecosystem, advisories: count, digest, updatedAt }) => ({
          ecosystem,
          advisories: count,
          digest,
          updatedAt,
        }))
      : undefined;
  return {
    asked: query.what.trim(),
    kind: wanted.kind,
    components: found.components.slice(0, mostListed).map(componentView),
    componentCount: found.components.length,
    images: found.images.map((image) => imageView(image, uses, running.get(image.digest) ?? [])).sort(usedFirst),
    imageCount: found.imageCount,
    unclear: found.unclear.slice(0, mostListed).map(componentView),
    unclearCount: found.unclear.length,
    looked: { ...found.looked, ...(advisories ? { advisories } : {}) },
    environments: uses.map(environmentView),
    unknown: unknown.slice(0, mostListed),
    unknownCount: unknown.length,
    notes: [...found.notes],
  };
}

/** What became vulnerable in the last thirty days, newest first. */
export async function newlyVulnerable(
  world: WhereWorld,
  options: { readonly pods: boolean; readonly better: boolean; readonly signal: AbortSignal },
): Promise<NewlyVulnerableReply> {
  const since = new Date(world.clock.now().getTime() - newsDays * 86_400_000).toISOString();
  const uses = await inUse(world, { ask: options.pods, signal: options.signal });
  const { running } = await sortPods(world, uses);
  const news = await world.scanning.inventory.newlyVulnerable({
    since,
    limit: mostNews,
    digests: digestsInUse(uses),
    better: options.better,
  });
  return {
    since,
    environments: uses.map(environmentView),
    news: news.map((each): NewlyVulnerableView => ({
      advisory: each.advisory,
      severity: each.severity,
      title: each.title,
      firstSeen: each.firstSeen,
      components: each.components.slice(0, mostListed).map(({ purl, fixed }) => ({ purl, fixed: [...fixed] })),
      images: each.images.map((image) => ({
        ...image,
        environments: releasesOf(image.digest, uses).flatMap(({ environment, current }) => (current ? [environment] : [])),
        pods: running.get(image.digest) ?? [],
      })),
      imageCount: each.imageCount,
    })),
  };
}

/** Pods by the digest of their image, and those of which nobody knows what they consist of. */
async function sortPods(world: WhereWorld, uses: readonly EnvironmentUse[]) {
  const running = new Map<string, Pod[]>();
  const unknown: WhereView['unknown'] = [];
  const all = uses.flatMap(({ environment, running: containers = [] }) =>
    containers.map((container) => ({ environment: environment.name, ...container })),
  );
  const known = await world.scanning.inventory.known(all.flatMap(({ digest }) => (digest === undefined ? [] : [digest])));
  for (const { environment, workload, pod, container, image, digest } of all) {
    const place = { environment, workload, pod, container };
    if (digest === undefined || !known.has(digest)) {
      unknown.push({ ...place, image, ...(digest === undefined ? {} : { digest }) });
      continue;
    }
    const same = running.get(digest) ?? [];
    running.set(digest, same);
    same.push(place);
  }
  return { running, unknown };
}

function imageView(image: InventoryImage, uses: readonly EnvironmentUse[], pods: readonly Pod[]): WhereView['images'][number] {
  const releases = releasesOf(image.digest, uses);
  return {
    repository: image.repository,
    digest: image.digest,
    ...('run' in image ? { run: image.run } : { import: image.import }),
    indexedAt: image.indexedAt,
    inRegistry: image.collectedAt === undefined,
    use: pods.length > 0 ? 'runs' : releases.length > 0 ? 'released' : 'registry',
    has: image.components.map(({ component, foundIn, way }) => ({ purl: component.purl, foundIn, way: [...way] })),
    releases: releases.slice(0, mostListed),
    pods: pods.slice(0, 1_000),
  };
}

const releasesOf = (digest: string, uses: readonly EnvironmentUse[]) =>
  uses.flatMap(({ environment, releases, current }) =>
    releases.flatMap(({ id, repository, status, digests }) =>
      Object.values<string>(digests).includes(digest)
        ? [{ environment: environment.name, id, repository, status, current: current.has(id) }]
        : [],
    ),
  );

const componentView = ({ purl, ecosystem, name, version, source, advisory }: FoundComponent): WhereView['components'][number] => ({
  purl,
  ecosystem,
  name,
  version,
  ...(source === undefined ? {} : { source }),
  ...(advisory ? { advisory: { ...advisory, fixed: [...advisory.fixed] } } : {}),
});

const environmentView = ({ environment, running, why }: EnvironmentUse): WhereView['environments'][number] => ({
  name: environment.name,
  answered: running !== undefined,
  containers: running?.length ?? 0,
  ...(why === undefined ? {} : { why }),
});

const ranks = { runs: 0, released: 1, registry: 2 } as const;
const usedFirst = (a: WhereView['images'][number], b: WhereView['images'][number]) => ranks[a.use] - ranks[b.use];
