import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { WaybillError } from '../kernel/error.ts';
import { connectRegistry } from '../oci/client.ts';
import type { RegistryClient } from '../oci/client-types.ts';
import { canonicalServer } from '../registry/external/record.ts';
import type { World } from './world.ts';

/** Where Docker Hub's images really are. */
const hub = 'registry-1.docker.io';

/** Addresses that are not public: nobody gets the server to ask its neighbours for him (RFC 6890). */
const closed = new BlockList();
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const)
  closed.addSubnet(net, bits);
for (const [net, bits] of [
  ['::', 127],
  ['64:ff9b::', 96],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const)
  closed.addSubnet(net, bits, 'ipv6');

/**
 * A client of somebody else's registry: with the credential of a record that an administrator has added for imports, otherwise without one.
 * Public addresses only, except such records and the hosts that an administrator has named.
 * @throws WaybillError FORBIDDEN, NOT_FOUND when there is no such host
 */
export async function openUpstream(
  world: Pick<World, 'upstreams' | 'externals'>,
  registry: string,
  signal: AbortSignal,
): Promise<RegistryClient> {
  const server = canonicalServer(registry);
  if ((await world.externals.list()).some((each) => each.server === server && each.uses.includes('import')))
    return world.externals.connect(registry, { signal, use: 'import' });
  const real = registry === 'docker.io' ? hub : registry;
  const host = real.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  const allowed = world.upstreams.includes(registry);
  if (!allowed) await demandPublic(host, signal);
  // Plain HTTP never leaves this machine.
  const loopback = host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
  return connectRegistry({ registry: real, plainHttp: allowed && loopback });
}

async function demandPublic(host: string, signal: AbortSignal): Promise<void> {
  const found = isIP(host) ? [{ address: host }] : await lookup(host, { all: true }).catch(() => []);
  signal.throwIfAborted();
  if (found.length === 0)
    throw new WaybillError('NOT_FOUND', `there is no host ${host}`, {
      fix: 'Check the name of the registry, and that this server resolves it.',
    });
  const inside = found.find(({ address }) => isClosed(address));
  if (inside)
    throw new WaybillError('FORBIDDEN', `the registry ${host} is at ${inside.address}, which is no public address`, {
      fix: 'An administrator names it in waybill.json: registry.upstreams.',
    });
}

function isClosed(address: string): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return closed.check(mapped);
  return closed.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}
