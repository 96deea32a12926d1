import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { WaybillError } from '../kernel/error.ts';
import { connectRegistry } from '../oci/client.ts';
import type { RegistryClient } from '../oci/client-types.ts';
import { isPublicAddress } from '../oci/public-address.ts';
import { canonicalServer } from '../registry/external/record.ts';
import { throughMirror } from './through-mirror.ts';
import type { World } from './world.ts';

/** Where Docker Hub's images really are. */
const hub = 'registry-1.docker.io';

/**
 * A client of somebody else's registry: through the mirror of it when there is one, else with the credential of a record that an administrator has added for imports, otherwise without one.
 * Public addresses only, except such records and the hosts that an administrator has named.
 * @throws WaybillError FORBIDDEN, NOT_FOUND when there is no such host
 */
export async function openUpstream(
  world: Pick<World, 'upstreams' | 'externals' | 'registry' | 'registryAddress'>,
  registry: string,
  signal: AbortSignal,
  repository: string,
): Promise<RegistryClient> {
  const server = canonicalServer(registry);
  const mirrored = await throughMirror(world, server, repository);
  if (mirrored) return mirrored;
  if ((await world.externals.list()).some((each) => each.server === server && each.uses.includes('import')))
    return world.externals.connect(registry, { signal, use: 'import' });
  const real = registry === 'docker.io' ? hub : registry;
  const host = real.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  const allowed = world.upstreams.includes(registry);
  if (!allowed) await demandPublic(host, signal);
  // Plain HTTP never leaves this machine.
  const loopback = host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
  // What it redirects to is at a public address, too.
  return connectRegistry({ registry: real, plainHttp: allowed && loopback, anyAddress: world.upstreams });
}

async function demandPublic(host: string, signal: AbortSignal): Promise<void> {
  const found = isIP(host) ? [{ address: host }] : await lookup(host, { all: true }).catch(() => []);
  signal.throwIfAborted();
  if (found.length === 0)
    throw new WaybillError('NOT_FOUND', `there is no host ${host}`, {
      fix: 'Check the name of the registry, and that this server resolves it.',
    });
  const inside = found.find(({ address }) => !isPublicAddress(address));
  if (inside)
    throw new WaybillError('FORBIDDEN', `the registry ${host} is at ${inside.address}, which is no public address`, {
      fix: 'An administrator names it in waybill.json: registry.upstreams.',
    });
}
