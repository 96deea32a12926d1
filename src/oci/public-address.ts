import { lookup as resolve } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { WaybillError } from '../kernel/error.ts';

/** Addresses that are not public: nobody gets this process to ask its neighbours for him (RFC 6890). */
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

export function isPublicAddress(address: string): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return !closed.check(mapped);
  return !closed.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

/** A name that is an address already is never looked up, and so is judged here. @throws WaybillError FORBIDDEN */
export function demandPublicLiteral(url: URL): void {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0 && !isPublicAddress(host)) throw inside(host, host);
}

/** For `net.connect`: the very addresses that are connected to are judged, so that a name which changes its mind gains nothing. */
export const publicLookup: LookupFunction = (hostname, options, done) => {
  resolve(hostname, { ...options, all: true }, (error, found) => {
    const [first] = found ?? [];
    if (error || !first) return done(error ?? new Error(`${hostname} has no address`), '');
    const wrong = found.find(({ address }) => !isPublicAddress(address));
    if (wrong) return done(inside(hostname, wrong.address), '');
    if (options.all) done(null, found);
    else done(null, first.address, first.family);
  });
};

function inside(host: string, address: string): WaybillError {
  return new WaybillError('FORBIDDEN', `${host} is at ${address}, which is no public address`, {
    fix: 'An administrator names it in waybill.json: registry.upstreams.',
  });
}
