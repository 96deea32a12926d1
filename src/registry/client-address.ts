import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/**
 * By what an address is counted: that of the connection, or behind a proxy of ours the one that it connected to the proxy from. A proxy
 * appends it to what the client sent, so only the last entry of `X-Forwarded-For` is known to be true; without a usable one, it is the
 * proxy's own. IPv6 counts by its first 64 bits, which is what one household or machine is given.
 */
export function clientAddress(request: Pick<IncomingMessage, 'headers' | 'socket'>, behindProxy: boolean): string {
  const peer = request.socket.remoteAddress ?? '';
  if (!behindProxy) return addressPrefix(peer);
  const header = request.headers['x-forwarded-for'];
  const last = (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',').at(-1)?.trim() ?? '';
  const bare = /^\[([0-9A-Fa-f:.]+)\](?::\d{1,5})?$/.exec(last)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d{1,5}$/.exec(last)?.[1] ?? last;
  return addressPrefix(isIP(bare) === 0 ? peer : bare);
}

/** The first 64 bits of an IPv6 address, and any other as it is. */
export function addressPrefix(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (isIP(address) !== 6) return address;
  const [head = '', tail] = (address.split('%', 1)[0] ?? '').split('::');
  const groups = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? 0 : tail.split(':').length + (tail.includes('.') ? 1 : 0);
  const whole =
    tail === undefined
      ? groups
      : [...groups, ...Array.from({ length: Math.max(0, 8 - groups.length - after) }, () => '0'), ...(tail === '' ? [] : tail.split(':'))];
  return `${whole
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
