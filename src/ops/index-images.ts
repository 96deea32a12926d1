import { messageOf } from '../kernel/error.ts';
import type { RunId } from '../kernel/ids.ts';
import type { ImageImport } from '../registry/imports.ts';
import { runsAfter } from '../run/queries.ts';
import { isFinal } from '../run/status.ts';
import { lookOf } from './import-look.ts';
import { openAndMatch } from './match-again.ts';
import type { World } from './world.ts';

type IndexWorld = Pick<World, 'scanning' | 'journal' | 'store' | 'logger' | 'imports'>;
const page = 200;

/** Indexes what a run has scanned and pushed. Returns how many images are new in the index. @throws what reading its documents throws */
export async function indexImagesOf(world: IndexWorld, run: RunId): Promise<number> {
  const { inventory, documents } = world.scanning;
  let added = 0;
  for (const { digest, repository, scanned } of (await world.journal.state(run)).images) {
    if (digest === undefined || repository === undefined || !scanned || (await inventory.has({ digest, repository, run }))) continue;
    await inventory.add({ repository, digest, run, sbom: scanned.sbom }, await documents.get('sbom', scanned.sbom));
    added++;
  }
  return added;
}

/** After a push. A failure of it fails no image: the run is looked at again, at the next start or update of the advisories. */
export async function indexPushed(world: IndexWorld, run: RunId, signal: AbortSignal): Promise<void> {
  try {
    if ((await indexImagesOf(world, run)) > 0) await openAndMatch(world, signal);
  } catch (error) {
    world.logger.error({ run, error: messageOf(error) }, 'an image could not be indexed by what it consists of; it is tried again later');
  }
}

/** Indexes what an import has brought. Returns whether it is new in the index; nothing is known about one that nobody could look into. @throws what reading its document throws */
export async function indexImport({ scanning }: Pick<IndexWorld, 'scanning'>, made: ImageImport): Promise<boolean> {
  const { inventory, documents } = scanning;
  const { repository, digest, id, state } = made;
  const look = lookOf(made);
  if (state !== 'imported' || look?.state !== 'done' || look.sbom === undefined) return false;
  if (await inventory.has({ repository, digest, import: id })) return false;
  await inventory.add({ repository, digest, import: id, sbom: look.sbom }, await documents.get('sbom', look.sbom));
  return true;
}

/** After the copy. A failure of it fails no import: it is looked at again, as a run is. */
export async function indexImported(world: IndexWorld, made: ImageImport, signal: AbortSignal): Promise<void> {
  try {
    if (await indexImport(world, made)) await openAndMatch(world, signal);
  } catch (error) {
    world.logger.error(
      { import: made.id, error: messageOf(error) },
      'an import could not be indexed by what it consists of; it is tried again later',
    );
  }
}

/** The newest thousand: older ones were indexed when they came. */
async function indexMissedImports(world: IndexWorld, signal: AbortSignal): Promise<number> {
  let added = 0;
  for (const each of await world.imports.list({ state: 'imported' })) {
    signal.throwIfAborted();
    try {
      if (await indexImport(world, each)) added++;
    } catch (error) {
      world.logger.error({ import: each.id, error: messageOf(error) }, 'an import could not be indexed by what it consists of');
    }
  }
  return added;
}

/** Indexes what a crash, a failure or an older version left out. Goes on where the last call stopped; a run that fails is told, and tried again. */
export async function indexMissed(world: IndexWorld, signal: AbortSignal): Promise<number> {
  const { inventory } = world.scanning;
  let added = await indexMissedImports(world, signal);
  /** Up to here nothing is open or failed. */
  let whole = await inventory.progress();
  let complete = true;
  for (let after = whole; ;) {
    const runs = await runsAfter(world.store, after, page);
    for (const run of runs) {
      signal.throwIfAborted();
      after = run.id;
      try {
        added += await indexImagesOf(world, run.id);
        if (run.open || !isFinal(await world.journal.status(run.id))) complete = false;
      } catch (error) {
        complete = false;
        world.logger.error({ run: run.id, error: messageOf(error) }, 'the images of a run could not be indexed by what they consist of');
      }
      if (complete) whole = run.id;
    }
    if (whole !== (await inventory.progress())) await inventory.setProgress(whole);
    if (runs.length < page) return added;
  }
}
