import type { InventoryDb } from './tables.ts';

/** Digest of an image → when the newest change was found about one of its components, where that is later than `time`. */
export async function changedSince(db: InventoryDb, time: string): Promise<ReadonlyMap<string, string>> {
  const rows = await db
    .selectFrom('inventory_component as component')
    .innerJoin('inventory_content as content', 'content.component', 'component.id')
    .innerJoin('inventory_image as image', 'image.id', 'content.image')
    .select(({ fn }) => ['image.digest as digest', fn.max<string>('component.changed_at').as('at')])
    .where('component.changed_at', '>', time)
    .groupBy('image.digest')
    .execute();
  return new Map(rows.map(({ digest, at }) => [digest, at]));
}
