import { imagesOf, mapImages } from '../deploy/manifests/rewrite-images.ts';
import type { LoadedObject } from '../deploy/manifests/loaded-object.ts';
import { isWaybillError } from '../kernel/error.ts';
import { formatReference, parseReference } from '../oci/reference.ts';
import type { World } from './world.ts';

/**
 * Third-party images in manifests, written as their upstream has them, become the digest that was imported: the newest import of exactly that
 * reference. What was not imported stays as it is, and the verdict says how to get it.
 * @returns the objects, and the repositories of our registry that they pull from now
 */
export async function pinImports(
  world: Pick<World, 'imports' | 'registryName'>,
  loaded: readonly LoadedObject[],
): Promise<{ readonly loaded: LoadedObject[]; readonly repositories: readonly string[] }> {
  const imported = await world.imports.list({ state: 'imported' });
  const pinned = new Map<string, string>();
  const repositories = new Set<string>();
  for (const image of imagesOf(loaded)) {
    const own = inOwnRegistry(image, world.registryName);
    if (own !== undefined) {
      if (imported.some((each) => each.repository === own)) repositories.add(own);
      continue;
    }
    const full = inFull(image);
    const found = full === undefined ? undefined : imported.find((each) => inFull(each.reference) === full);
    if (!found) continue;
    pinned.set(image, `${world.registryName}/${found.repository}@${found.digest}`);
    repositories.add(found.repository);
  }
  return { loaded: mapImages(loaded, (image) => pinned.get(image)), repositories: [...repositories] };
}

function inOwnRegistry(image: string, registryName: string): string | undefined {
  if (!image.startsWith(`${registryName}/`)) return undefined;
  return image.slice(registryName.length + 1).replace(/[@:].*$/, '');
}

/** As kubelets read it: no registry is Docker Hub, whose own images are under library/; no tag is `latest`. Undefined for no reference. */
function inFull(image: string): string | undefined {
  try {
    const { registry = 'docker.io', repository, tag, digest } = parseReference(image);
    const path = registry === 'docker.io' && !repository.includes('/') ? `library/${repository}` : repository;
    return formatReference({ registry, repository: path, ...(digest === undefined ? { tag: tag ?? 'latest' } : { digest }) });
  } catch (error) {
    if (isWaybillError(error, 'INVALID_INPUT')) return undefined;
    throw error;
  }
}
