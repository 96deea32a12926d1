import { isWaybillError } from '../kernel/error.ts';
import { connectRegistry } from '../oci/client.ts';
import type { RegistryClient } from '../oci/client-types.ts';
import { isMirrored, mirrorRepository } from '../registry/mirror/path.ts';
import type { World } from './world.ts';

const tokenMs = 60 * 60_000;

/**
 * A client that reads somebody else's registry through the mirror of it, over our own address, so that what is cached is there when the other
 * is not. Undefined when nobody mirrors it, or not this repository. What it gives is checked as if it came from there.
 */
export async function throughMirror(
  world: Pick<World, 'registry' | 'registryAddress'>,
  server: string,
  repository: string,
): Promise<RegistryClient | undefined> {
  const mirror = await world.registry.mirrors?.find({ server });
  if (!mirror || !isMirrored(mirror.prefix, repository)) return undefined;
  const minted = await world.registry.mintMirrorPull({ mirror: mirror.name, holder: 'imports', ttlMs: tokenMs });
  // The mirror has its own patience with the other registry; what it says at once need not be asked again.
  const client = connectRegistry({ registry: world.registryAddress, plainHttp: true, auth: { bearer: minted.token }, repeat: false });
  const at = (name: string) => mirrorRepository(mirror.name, name);
  return {
    ...client,
    registry: server,
    async resolve(name, tagOrDigest, signal) {
      try {
        // Not HEAD: a refusal says why.
        return (await client.getManifest(at(name), tagOrDigest, signal)).descriptor;
      } catch (error) {
        if (isWaybillError(error, 'NOT_FOUND')) return undefined;
        throw error;
      }
    },
    getManifest: (name, ...rest) => client.getManifest(at(name), ...rest),
    getBlob: (name, ...rest) => client.getBlob(at(name), ...rest),
    hasBlob: (name, ...rest) => client.hasBlob(at(name), ...rest),
    pullToLayout: (name, ...rest) => client.pullToLayout(at(name), ...rest),
    listTags: (name, ...rest) => client.listTags(at(name), ...rest),
    listReferrers: (name, ...rest) => client.listReferrers(at(name), ...rest),
    [Symbol.dispose]() {
      client[Symbol.dispose]();
      minted[Symbol.dispose]();
    },
  };
}
