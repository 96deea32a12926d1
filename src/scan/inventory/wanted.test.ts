import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { isNamed, parseWanted, spellingsOf } from './wanted.ts';

const read: readonly (readonly [text: string, wanted: object])[] = [
  ['lodash', { kind: 'package', name: 'lodash' }],
  ['lodash@4.17.20', { kind: 'package', name: 'lodash', range: '4.17.20' }],
  ['lodash@<4.17.21', { kind: 'package', name: 'lodash', range: '<4.17.21' }],
  ['django@>=4,<4.2.1', { kind: 'package', name: 'django', range: '>=4,<4.2.1' }],
  ['django @ >= 4, < 4.2.1', { kind: 'package', name: 'django', range: '>= 4, < 4.2.1' }],
  ['lodash@*', { kind: 'package', name: 'lodash' }],
  ['@scope/name@^1.2', { kind: 'package', name: '@scope/name', range: '^1.2' }],
  ['npm:@scope/name', { kind: 'package', name: '@scope/name', ecosystem: 'npm' }],
  ['PyPI:zope.interface', { kind: 'package', name: 'zope.interface', ecosystem: 'PyPI' }],
  ['pip:requests@2.0', { kind: 'package', name: 'requests', ecosystem: 'PyPI', range: '2.0' }],
  ['crates.io:serde', { kind: 'package', name: 'serde', ecosystem: 'crates.io' }],
  ['org.apache.logging.log4j:log4j-core@<2.17', { kind: 'package', name: 'org.apache.logging.log4j:log4j-core', range: '<2.17' }],
  ['maven:org.a:b@1', { kind: 'package', name: 'org.a:b', ecosystem: 'Maven', range: '1' }],
  ['debian:openssl', { kind: 'package', name: 'openssl', ecosystem: 'Debian' }],
  ['debian:12:openssl@<1:3.0', { kind: 'package', name: 'openssl', ecosystem: 'Debian', release: '12', range: '<1:3.0' }],
  ['alpine:3.20:musl', { kind: 'package', name: 'musl', ecosystem: 'Alpine', release: 'v3.20' }],
  ['pkg:npm/%40s/b@1.0.0', { kind: 'package', name: '@s/b', ecosystem: 'npm', range: '1.0.0' }],
  ['pkg:maven/org.a/b', { kind: 'package', name: 'org.a:b', ecosystem: 'Maven' }],
  ['pkg:golang/github.com/a/b@v1.0.0', { kind: 'package', name: 'github.com/a/b', ecosystem: 'Go', range: 'v1.0.0' }],
  ['pkg:deb/debian/libssl3@3.0.9-1?arch=amd64', { kind: 'package', name: 'libssl3', ecosystem: 'Debian', range: '3.0.9-1' }],
  ['CVE-2021-44228', { kind: 'advisory', name: 'CVE-2021-44228' }],
  ['cve-2021-44228', { kind: 'advisory', name: 'cve-2021-44228' }],
  ['GHSA-jfh8-c2jp-5v3q', { kind: 'advisory', name: 'GHSA-jfh8-c2jp-5v3q' }],
  ['GHSA-hjmp-qrvw-xcfg', { kind: 'advisory', name: 'GHSA-hjmp-qrvw-xcfg' }],
  ['RHSA-2024:1234', { kind: 'advisory', name: 'RHSA-2024:1234' }],
  ['DEBIAN-CVE-2024-1', { kind: 'advisory', name: 'DEBIAN-CVE-2024-1' }],
  ['is-odd', { kind: 'package', name: 'is-odd' }],
];

const refused: readonly string[] = [
  '',
  '   ',
  'lodash@',
  '@',
  'a b',
  'a\u0000b',
  'a\nb@1',
  'x'.repeat(501),
  'pkg:',
  'pkg:npm/',
  'pkg:teapot/a@1',
  'pkg:deb/unknown/a',
];

suite('what somebody looks for', () => {
  for (const [text, wanted] of read) test(text, () => assert.deepEqual(parseWanted(text), wanted));
  for (const text of refused)
    test(`refused: ${JSON.stringify(text.slice(0, 20))}`, () => assert.throws(() => parseWanted(text), { code: 'INVALID_INPUT' }));

  test('a name is found in the spelling of its ecosystem, and in no other one', () => {
    const zope = { kind: 'package', name: 'Zope.Interface' } as const;
    assert.ok(spellingsOf(zope).includes('zope-interface'));
    assert.ok(isNamed(zope, { ecosystem: 'PyPI', name: 'zope-interface' }));
    assert.ok(!isNamed(zope, { ecosystem: 'npm', name: 'zope-interface' }));
    assert.ok(!isNamed({ ...zope, ecosystem: 'npm' }, { ecosystem: 'PyPI', name: 'zope-interface' }));
    const openssl = { kind: 'package', name: 'openssl', ecosystem: 'Debian', release: '12' } as const;
    assert.ok(isNamed(openssl, { ecosystem: 'Debian:12', name: 'openssl' }));
    assert.ok(!isNamed(openssl, { ecosystem: 'Debian:11', name: 'openssl' }));
    // Nothing of an object's own is taken for an ecosystem.
    assert.deepEqual(parseWanted('constructor:x'), { kind: 'package', name: 'constructor:x' });
    assert.throws(() => parseWanted('pkg:constructor/x'), { code: 'INVALID_INPUT' });
  });
});
