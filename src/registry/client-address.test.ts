import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientAddress } from './client-address.ts';

const from = (peer: string, forwarded?: string) =>
  ({ socket: { remoteAddress: peer }, headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded } }) as unknown as Parameters<
    typeof clientAddress
  >[0];

test('a header that anybody can send counts only behind a proxy, and there only what the proxy itself added', () => {
  const cases: readonly [peer: string, forwarded: string | undefined, behindProxy: boolean, expected: string][] = [
    ['192.0.2.1', '198.51.100.7', false, '192.0.2.1'],
    ['192.0.2.1', '198.51.100.7', true, '198.51.100.7'],
    ['192.0.2.1', '10.0.0.1, 198.51.100.7', true, '198.51.100.7'],
    ['192.0.2.1', '10.0.0.1,evil, 198.51.100.7:4711', true, '198.51.100.7'],
    ['192.0.2.1', undefined, true, '192.0.2.1'],
    ['192.0.2.1', '', true, '192.0.2.1'],
    ['192.0.2.1', '198.51.100.7, nonsense', true, '192.0.2.1'],
    ['192.0.2.1', `${'1'.repeat(5000)}`, true, '192.0.2.1'],
    ['192.0.2.1', '[2001:db8:1:2:3:4:5:6]:99', true, '2001:db8:1:2::/64'],
    ['192.0.2.1', '2001:db8:1:2:ffff::9', true, '2001:db8:1:2::/64'],
  ];
  for (const [peer, forwarded, behindProxy, expected] of cases)
    assert.equal(clientAddress(from(peer, forwarded), behindProxy), expected, `${peer} ${String(forwarded)}`);
});

test('addresses of one IPv6 network count as one, however they are written; mapped IPv4 is IPv4', () => {
  const cases: Readonly<Record<string, string>> = {
    '::1': '0:0:0:0::/64',
    '2001:db8::1': '2001:db8:0:0::/64',
    '2001:0db8:0000:0000:aaaa::': '2001:db8:0:0::/64',
    '2001:DB8::2': '2001:db8:0:0::/64',
    'fe80::1%eth0': 'fe80:0:0:0::/64',
    '::ffff:192.0.2.1': '192.0.2.1',
    '64:ff9b::192.0.2.33': '64:ff9b:0:0::/64',
    '': '',
  };
  for (const [address, expected] of Object.entries(cases)) assert.equal(clientAddress(from(address), false), expected, address);
});
