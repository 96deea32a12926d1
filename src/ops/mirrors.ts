import type { Person } from '../identity/person.ts';
import { WaybillError } from '../kernel/error.ts';
import type { Mirror, Mirrors, MirrorState } from '../registry/mirror/mirror.ts';
import type { CachedImage } from '../registry/mirror/shelf.ts';
import type { World } from './world.ts';

type Cached = Pick<World, 'registry' | 'ledger'>;
const mostShown = 1_000;

export async function listMirrors({ registry }: Pick<World, 'registry'>): Promise<MirrorState[]> {
  return (await registry.mirrors?.list()) ?? [];
}

/** What the cache has of one registry, the last used first. @throws WaybillError NOT_FOUND */
export async function showMirror(world: Pick<World, 'registry'>, name: string): Promise<MirrorState & { images: readonly CachedImage[] }> {
  const { mirrors, mirror } = await demandMirror(world, name);
  const state = (await mirrors.list()).find((each) => each.name === mirror.name);
  return { ...mirror, blobs: 0, manifests: 0, bytes: 0, ...state, images: await mirrors.contents(mirror, mostShown) };
}

/** Throws away what is cached; it is fetched again when somebody wants it. @throws WaybillError NOT_FOUND */
export async function clearMirror(world: Cached, by: Person, name: string): Promise<{ readonly items: number; readonly bytes: number }> {
  const { mirrors, mirror } = await demandMirror(world, name);
  const cleared = await mirrors.clear(mirror.server);
  await world.ledger.append({
    kind: 'admin',
    subject: [name],
    body: { act: 'mirror-clear', by: by.id, server: mirror.server, ...cleared },
  });
  return cleared;
}

/** Another quota, another time for which a tag is trusted; what is over the quota goes at once. @throws WaybillError NOT_FOUND, INVALID_INPUT */
export async function tuneMirror(
  world: Cached & Pick<World, 'externals'>,
  by: Person,
  name: string,
  change: { readonly tagSeconds?: number; readonly quotaBytes?: number },
  signal: AbortSignal,
): Promise<MirrorState> {
  const { mirrors } = await demandMirror(world, name);
  await world.externals.tuneMirror(name, change);
  await world.ledger.append({ kind: 'admin', subject: [name], body: { act: 'mirror-set', by: by.id, ...change } });
  await mirrors.collect(signal);
  const { images: _, ...state } = await showMirror(world, name);
  return state;
}

async function demandMirror({ registry }: Pick<World, 'registry'>, name: string): Promise<{ mirrors: Mirrors; mirror: Mirror }> {
  const { mirrors } = registry;
  const mirror = await mirrors?.find({ name });
  if (!mirrors || !mirror)
    throw new WaybillError('NOT_FOUND', `there is no mirror ${name}`, {
      fix: 'An administrator adds one: waybill registry add NAME --server HOST --use mirror; `waybill registry mirror list` shows what there is.',
    });
  return { mirrors, mirror };
}
