import type { Clock } from '../../kernel/clock.ts';
import type { Digest } from '../../kernel/digest.ts';
import type { RunId } from '../../kernel/ids.ts';
import { ecosystemOf, splitEcosystem } from '../advisories/ecosystems.ts';
import { pathFinder } from '../advisories/paths.ts';
import type { Component } from '../component.ts';
import { inventoryFromSbom } from '../sbom/read-sbom.ts';
import { chunks, type InventoryDb } from './tables.ts';

/** How an image came into the registry: a run made it, or people vouched for it. Later ones of a kind have higher numbers. */
export type ImageOrigin = { readonly run: RunId } | { readonly import: number };

export type IndexedImage = ImageOrigin & {
  /** As the registry names it. */
  readonly repository: string;
  readonly digest: Digest;
  readonly sbom: Digest;
};

/** One of which it is asked whether it is there. */
export type WantedImage = ImageOrigin & Pick<IndexedImage, 'repository' | 'digest'>;

/** Components once, then the image with all that it has, in one transaction: an image is there whole or not at all. Again: nothing. @throws WaybillError INVALID_INPUT */
export async function writeImage(db: InventoryDb, clock: Clock, image: IndexedImage, sbom: string): Promise<void> {
  const { repository, digest } = image;
  if (await isIndexed(db, image)) return;
  const { inventory, sourceOnly } = inventoryFromSbom(sbom);
  const pathsOf = pathFinder(inventory);
  const components = [...new Map(inventory.components.map((component) => [component.purl, component])).values()];
  const via = new Map(components.map(({ purl }) => [purl, pathsOf(purl)[0]?.at(-2)]));
  const ofPurl = new Set(components.map(({ purl }) => purl));
  const projects = [...new Set(via.values())].flatMap((name) => (name === undefined || ofPurl.has(name) ? [] : [name]));
  const wanted = [...components.map(rowOf), ...projects.map(projectRow)];
  await db.transaction().execute(async (trx) => {
    // The ids are read where nothing can collect a component before its first image names it.
    const ids = new Map<string, number>();
    for (const rows of chunks(wanted, 100)) {
      await trx
        .insertInto('inventory_component')
        .values(rows)
        .onConflict((conflict) => conflict.columns(['purl', 'ecosystem', 'source_name', 'source_version']).doNothing())
        .execute();
      const purls = rows.map(({ purl }) => purl);
      const mine = new Set(rows.map(identity));
      for (const row of await trx.selectFrom('inventory_component').selectAll().where('purl', 'in', purls).execute())
        if (mine.has(identity(row))) ids.set(row.purl, row.id);
    }
    // It was collected, and came again by another run or import.
    const old = trx.selectFrom('inventory_image').select('id').where('digest', '=', digest).where('repository', '=', repository);
    await trx.deleteFrom('inventory_content').where('image', 'in', old).execute();
    await trx.deleteFrom('inventory_image').where('digest', '=', digest).where('repository', '=', repository).execute();
    const { id } = await trx
      .insertInto('inventory_image')
      .values({
        repository,
        digest,
        run: 'run' in image ? image.run : 0,
        import: 'import' in image ? image.import : null,
        sbom: image.sbom,
        indexed_at: clock.now().toISOString(),
        collected_at: null,
        components: components.length,
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    const content = components.flatMap(({ purl }) => {
      const component = ids.get(purl);
      const through = via.get(purl);
      if (component === undefined) return [];
      return [
        { component, image: id, in_image: sourceOnly.has(purl) ? 0 : 1, via: through === undefined ? null : (ids.get(through) ?? null) },
      ];
    });
    for (const rows of chunks(content, 200)) await trx.insertInto('inventory_content').values(rows).execute();
  });
}

/** Also one that was collected since, unless a later run or import has brought it again. */
export async function isIndexed(db: InventoryDb, image: WantedImage): Promise<boolean> {
  const row = await db
    .selectFrom('inventory_image')
    .select(['run', 'import', 'collected_at'])
    .where('digest', '=', image.digest)
    .where('repository', '=', image.repository)
    .executeTakeFirst();
  if (!row) return false;
  return row.collected_at === null || ('run' in image ? row.run >= image.run : (row.import ?? 0) >= image.import);
}

/** A name of a project is told from a purl by its beginning. */
const projectRow = (path: string) => ({
  ecosystem: '',
  name: '',
  version: '',
  purl: path.slice(0, 2_000),
  source_name: '',
  source_version: '',
  matched: '',
});

function rowOf({ ecosystem, name, version, purl, source }: Component) {
  const about = ecosystemOf(splitEcosystem(ecosystem).base);
  const spelled = (text: string) => about?.nameOf(text) ?? text;
  return {
    ecosystem,
    name: spelled(name),
    version,
    purl,
    source_name: source ? spelled(source.name) : '',
    source_version: source?.version ?? '',
    matched: '',
  };
}

type Identity = { readonly purl: string; readonly ecosystem: string; readonly source_name: string; readonly source_version: string };
const identity = (row: Identity) => JSON.stringify([row.purl, row.ecosystem, row.source_name, row.source_version]);
