import type { Clock } from '../../kernel/clock.ts';
import type { InventoryDb } from './tables.ts';

/**
 * An image that went stays as a row without content, so that nobody takes it for one that was never indexed. Components that no image has any more go with it, and
 * what is known about them.
 */
export async function forgetImages(
  db: InventoryDb,
  clock: Clock,
  images: readonly { readonly repository: string; readonly digest: string }[],
  kept: ReadonlySet<string>,
): Promise<void> {
  const collected_at = clock.now().toISOString();
  for (const { repository, digest } of images)
    await db.transaction().execute(async (trx) => {
      const row = await trx
        .selectFrom('inventory_image')
        .select('id')
        .where('digest', '=', digest)
        .where('repository', '=', repository)
        .executeTakeFirst();
      if (!row) return;
      if (kept.has(digest)) {
        await trx.updateTable('inventory_image').set({ collected_at }).where('id', '=', row.id).execute();
        return;
      }
      const mine = trx.selectFrom('inventory_content').select('component').where('image', '=', row.id);
      const orphans = await trx
        .selectFrom('inventory_component')
        .select('id')
        .where('id', 'in', mine)
        .where((where) =>
          where.not(
            where.exists(
              where
                .selectFrom('inventory_content as other')
                .select('other.image')
                .whereRef('other.component', '=', 'inventory_component.id')
                .where('other.image', '!=', row.id),
            ),
          ),
        )
        .execute();
      await trx.deleteFrom('inventory_content').where('image', '=', row.id).execute();
      for (const { id } of orphans) {
        await trx.deleteFrom('inventory_finding').where('component', '=', id).execute();
        await trx.deleteFrom('inventory_component').where('id', '=', id).execute();
      }
      await trx.updateTable('inventory_image').set({ collected_at, components: 0 }).where('id', '=', row.id).execute();
    });
}
