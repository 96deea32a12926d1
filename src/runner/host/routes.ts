import { BlockList, isIPv4 } from 'node:net';
import { WaybillError } from '../../kernel/error.ts';

// Addresses inside a filtered network, as slirp4netns has them by default.
const gateway = '10.0.2.2';
const ownAddress = '10.0.2.100';
export const resolverAddress = '10.0.2.3';

/** IPv4 ranges that are not public (RFC 6890 and its registry): none of them is reached unless an administrator says so. */
const notPublic = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8', // the local table has its own way to lo; this is for sockets that are bound to the device
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/4',
  '240.0.0.0/4',
];

/** @throws WaybillError INVALID_INPUT */
export function parseCidr(text: string): string {
  const [address = '', bits = '32', ...more] = text.split('/');
  if (!isIPv4(address) || !/^\d{1,2}$/.test(bits) || Number(bits) > 32 || more.length > 0) {
    throw new WaybillError('INVALID_INPUT', `${JSON.stringify(text.slice(0, 100))} is not an IPv4 address range like 10.1.0.0/16`);
  }
  const mask = Number(bits) === 0 ? 0 : (0xffffffff << (32 - Number(bits))) >>> 0;
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const network = (number & mask) >>> 0;
  return `${[24, 16, 8, 0].map((shift) => (network >>> shift) & 255).join('.')}/${Number(bits)}`;
}

/**
 * Commands for `ip -batch` that make the network of a job, in its network namespace, after slirp4netns made tap0. The
 * longest prefix wins: this host's own addresses are closed one by one, also public ones, unless one is allowed as such.
 */
export function routeCommands(hostAddresses: readonly string[], allowAddresses: readonly string[]): string {
  const allowed = allowAddresses.map(parseCidr);
  const own = hostAddresses.filter((address) => isIPv4(address) && !isLoopback(address)).map(parseCidr);
  const closed = [...[...notPublic, ...own].filter((range) => !allowed.includes(range)), `${gateway}/32`];
  return [
    'link set lo up',
    'link set tap0 up mtu 65520',
    `addr add ${ownAddress}/32 dev tap0`,
    `route add ${resolverAddress}/32 dev tap0`,
    `route add default via ${gateway} dev tap0 onlink`,
    ...new Set(closed.map((range) => `route replace unreachable ${range}`)),
    ...new Set(allowed.filter((range) => range !== '0.0.0.0/0').map((range) => `route replace ${range} via ${gateway} dev tap0 onlink`)),
    '',
  ].join('\n');
}

function isLoopback(address: string): boolean {
  const list = new BlockList();
  list.addSubnet('127.0.0.0', 8);
  return list.check(address);
}
