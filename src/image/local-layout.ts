import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hexOf, type Digest } from '../kernel/digest.ts';
import { openLayout, refNameAnnotation } from '../oci/layout.ts';
import { childrenOf, type Descriptor } from '../oci/manifest.ts';

/**
 * After a build into a layout that held an older image of this name: the name stands for the new one alone, and what no entry needs any more
 * is removed. For a layout that one person uses, one build at a time.
 */
export async function keepOnly(folder: string, name: string, digest: Digest): Promise<void> {
  const layout = await openLayout(folder);
  await layout.dropEntries((entry) => entry.annotations?.[refNameAnnotation] === name && entry.digest !== digest);
  const needed = new Set<string>();
  const walk = async (descriptor: Descriptor): Promise<void> => {
    const hex = hexOf(descriptor.digest);
    if (needed.has(hex)) return;
    needed.add(hex);
    if (!/manifest|index/.test(descriptor.mediaType)) return;
    for (const child of childrenOf(await layout.manifest(descriptor.digest))) await walk(child);
  };
  for (const entry of await layout.entries()) await walk(entry);
  const blobs = join(folder, 'blobs', 'sha256');
  for (const file of await readdir(blobs)) if (!needed.has(file)) await rm(join(blobs, file), { force: true });
}
