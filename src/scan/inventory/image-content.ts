import { chunks, type InventoryDb } from './tables.ts';

export type FoundIn = {
  readonly component: number;
  readonly foundIn: 'image' | 'source';
  readonly via: number | null;
};

/** Which of the components each of these images has. */
export async function contentOf(
  db: InventoryDb,
  images: readonly number[],
  components: readonly number[],
): Promise<ReadonlyMap<number, readonly FoundIn[]>> {
  const found = new Map<number, FoundIn[]>();
  for (const some of chunks(components))
    for (const these of chunks(images)) {
      const rows = await db
        .selectFrom('inventory_content')
        .selectAll()
        .where('component', 'in', some)
        .where('image', 'in', these)
        .execute();
      for (const { image, component, in_image, via } of rows) {
        const all = found.get(image) ?? [];
        found.set(image, all);
        all.push({ component, foundIn: in_image === 1 ? 'image' : 'source', via });
      }
    }
  return found;
}

/** How many images have one of the components, and the newest that do. */
export async function imagesWith(
  db: InventoryDb,
  components: readonly number[],
  newest: number,
): Promise<{ readonly count: number; readonly newest: readonly number[] }> {
  const parts = [...chunks(components)];
  const latest = new Set<number>();
  if (newest > 0)
    for (const some of parts)
      for (const { image } of await db
        .selectFrom('inventory_content')
        .select('image')
        .distinct()
        .where('component', 'in', some)
        .orderBy('image', 'desc')
        .limit(newest)
        .execute())
        latest.add(image);
  const [first = []] = parts;
  const found = { newest: [...latest].sort((a, b) => b - a).slice(0, newest) };
  if (parts.length === 1) {
    const row = await db
      .selectFrom('inventory_content')
      .select(({ fn }) => fn.count<number>('image').distinct().as('count'))
      .where('component', 'in', first)
      .executeTakeFirst();
    return { ...found, count: Number(row?.count ?? 0) };
  }
  // Counted in parts, an image would count once for each.
  const all = new Set<number>();
  for (const some of parts)
    for (const { image } of await db.selectFrom('inventory_content').select('image').where('component', 'in', some).execute())
      all.add(image);
  return { ...found, count: all.size };
}

const deepest = 30;
export type Ways = (image: number, component: number) => readonly string[];

/**
 * From a project or a direct dependency down to each of the components: the ways that were shortest when the image was indexed. One step up of all of them is
 * one question.
 */
export async function waysOf(db: InventoryDb, wanted: readonly (FoundIn & { readonly image: number })[]): Promise<Ways> {
  const via = new Map<string, number | null>();
  const keyOf = (image: number, component: number) => `${image} ${component}`;
  let open = wanted.map(({ image, component, via: through }) => {
    via.set(keyOf(image, component), through);
    return { image, through };
  });
  for (let depth = 0; depth < deepest; depth++) {
    const next = open.flatMap(({ image, through }) =>
      through === null || via.has(keyOf(image, through)) ? [] : [{ image, component: through }],
    );
    if (next.length === 0) break;
    const asked = new Set(next.map(({ image, component }) => keyOf(image, component)));
    const found = await contentOf(db, [...new Set(next.map(({ image }) => image))], [...new Set(next.map(({ component }) => component))]);
    // Also for those that are projects, and have no entry: nothing is asked twice.
    for (const key of asked) via.set(key, null);
    open = [];
    for (const [image, each] of found)
      for (const { component, via: through } of each)
        if (asked.has(keyOf(image, component))) {
          via.set(keyOf(image, component), through);
          open.push({ image, through });
        }
  }
  const ids = new Set([...wanted.map(({ component }) => component), ...[...via.values()].filter((id) => id !== null)]);
  const purls = new Map<number, string>();
  for (const some of chunks([...ids]))
    for (const { id, purl } of await db.selectFrom('inventory_component').select(['id', 'purl']).where('id', 'in', some).execute())
      purls.set(id, purl);
  return (image, component) => {
    const way: string[] = [];
    const seen = new Set<number>();
    for (let at: number | null = component; at !== null && !seen.has(at); at = via.get(keyOf(image, at)) ?? null) {
      seen.add(at);
      way.unshift(purls.get(at) ?? '?');
    }
    return way;
  };
}
