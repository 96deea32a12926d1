import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Spec, Validation } from '@cyclonedx/cyclonedx-library';
import { canonicalJson } from '../../kernel/json.ts';
import type { Component, Inventory } from '../component.ts';
import type { VulnerabilityFinding } from '../finding.ts';
import { inventoryFromSbom } from './read-sbom.ts';
import { sbomOf, type SbomOptions } from './cyclonedx.ts';

const component = (purl: string, more: Partial<Component>): Component => ({
  purl,
  ecosystem: 'npm',
  name: 'a',
  version: '1.0.0',
  scope: 'runtime',
  hashes: [],
  places: [{ path: 'package-lock.json', line: 3 }],
  ...more,
});

const inventory: Inventory = {
  components: [
    component('pkg:deb/debian/libssl3@3.0.9-1', {
      ecosystem: 'Debian:12',
      name: 'libssl3',
      version: '3.0.9-1',
      source: { name: 'openssl', version: '3.0.9-1' },
      places: [{ path: 'var/lib/dpkg/status' }],
    }),
    component('pkg:golang/stdlib@v1.21.5', { ecosystem: 'Go', name: 'stdlib', version: '1.21.5' }),
    component('pkg:maven/org.example/x@1.0', { ecosystem: 'Maven', name: 'org.example:x', version: '1.0', scope: 'optional' }),
    component('pkg:npm/%40s/b@1.1.0', {
      name: '@s/b',
      version: '1.1.0',
      scope: 'development',
      hashes: [
        { algorithm: 'sha512', hex: 'ab'.repeat(64) },
        { algorithm: 'sha1', hex: 'cd'.repeat(20) },
      ],
    }),
    component('pkg:npm/a@1.0.0', {}),
    component('pkg:pypi/zope-interface@5.0', { ecosystem: 'PyPI', name: 'zope-interface', version: '5.0' }),
  ],
  needs: new Map([
    ['./', ['pkg:npm/a@1.0.0']],
    ['./packages/web', ['pkg:npm/%40s/b@1.1.0']],
    ['pkg:npm/a@1.0.0', ['pkg:npm/%40s/b@1.1.0']],
    ['pkg:npm/%40s/b@1.1.0', ['pkg:npm/a@1.0.0']],
  ]),
};
const options: SbomOptions = {
  inventory,
  subject: { type: 'container', name: 'shop/shop', version: 'sha256:00' },
  scanner: 'waybill 0.1.0',
};

const found: readonly VulnerabilityFinding[] = [
  { vector: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H', score: 9.8, severity: 'critical' as const, url: 'https://example.com/1' },
  {
    vector: 'CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N',
    severity: 'high' as const,
    notAffected: 'never called (anna)',
  },
  { severity: 'unknown' as const },
].map((more, index) => ({
  kind: 'vulnerability',
  key: `k${index}`,
  title: 'CVE-2026-1 in a 1.0.0',
  fix: 'Take a 1.0.1.',
  places: [{ path: 'package-lock.json' }],
  id: 'CVE-2026-1',
  aliases: ['GHSA-1', 'CVE-2026-1'],
  purl: 'pkg:npm/a@1.0.0',
  ecosystem: 'npm',
  package: 'a',
  version: '1.0.0',
  fixed: ['1.0.1'],
  paths: [['./', 'pkg:npm/a@1.0.0']],
  ...more,
}));

test('what was found stands in it with its rating, and with what VEX says; what was not read makes it incomplete', () => {
  const gaps = [{ path: 'pom.xml', reason: 'unknown-format' as const, detail: 'not read' }];
  const made = JSON.parse(sbomOf({ ...options, vulnerabilities: found, gaps })) as {
    vulnerabilities: { ratings: { method?: string }[]; references: object[]; analysis?: object }[];
    compositions: { aggregate: string }[];
    metadata: { properties: object[] };
  };
  assert.deepEqual(
    made.vulnerabilities.map(({ ratings, analysis }) => [ratings[0]?.method, analysis]),
    [
      ['CVSSv31', undefined],
      ['CVSSv4', { state: 'not_affected', detail: 'never called (anna)' }],
      [undefined, undefined],
    ],
  );
  assert.deepEqual(made.vulnerabilities[0]?.references, [{ id: 'GHSA-1', source: { name: 'GHSA' } }]);
  assert.equal(made.compositions[0]?.aggregate, 'incomplete');
  assert.deepEqual(made.metadata.properties, [{ name: 'waybill:not-read', value: 'pom.xml: not read' }]);
});

async function validate(text: string): Promise<void> {
  const problems = await new Validation.JsonStrictValidator(Spec.Version.v1dot6).validate(text);
  assert.equal(problems, null, JSON.stringify(problems));
}

test('it is valid by the official schema of CycloneDX 1.6', async () => {
  await validate(sbomOf(options));
  await validate(sbomOf({ ...options, timestamp: '2026-11-22T10:00:00Z' }));
  await validate(sbomOf({ ...options, inventory: { components: [], needs: new Map() } }));
  await validate(sbomOf({ ...options, vulnerabilities: found, gaps: [{ path: 'pom.xml', reason: 'unknown-format', detail: 'not read' }] }));
  // And the validator refuses what is wrong.
  const broken = sbomOf(options).replace('"specVersion":"1.6"', '"specVersion":"1.6","nonsense":1');
  await assert.rejects(validate(broken));
});

test('it is valid whatever stands in lock files, names of folders and advisories', async () => {
  const odd = [' ', 'ü/ß', 'a b@c#d?e', '\u001b[2J', '\ud800', 'x'.repeat(5_000), 'javascript:alert(1)', '%zz'];
  const strange: Inventory = {
    components: odd.map((text, index) =>
      component(`pkg:npm/odd-${index}@1`, {
        name: text,
        version: text,
        ecosystem: text,
        places: [{ path: text, line: 1 }],
        scope: 'optional',
      }),
    ),
    needs: new Map([
      ...odd.map((text): [string, string[]] => [`./${text}`, ['pkg:npm/odd-0@1', 'pkg:npm/nowhere@1', `./${text}`]]),
      ['pkg:npm/odd-1@1', odd.map((_, index) => `pkg:npm/odd-${index}@1`)],
    ]),
  };
  const vulnerabilities = odd.map((text, index): VulnerabilityFinding => ({
    ...(found[0] as VulnerabilityFinding),
    key: `odd ${index}`,
    id: text,
    aliases: [text, text, 'GHSA-1'],
    title: text,
    fix: '',
    url: text,
    vector: text,
    purl: `pkg:npm/odd-${index}@1`,
  }));
  const gaps = odd.map((text) => ({ path: text, reason: 'limit' as const, detail: text }));
  for (const subject of odd)
    await validate(
      sbomOf({ ...options, inventory: strange, subject: { type: 'application', name: subject, version: subject }, vulnerabilities, gaps }),
    );
});

test('equal inventories give equal bytes, whenever they are made', () => {
  assert.equal(sbomOf(options), sbomOf({ ...options, inventory: { ...inventory, needs: new Map([...inventory.needs].toReversed()) } }));
  for (const each of [options, { ...options, vulnerabilities: found, gaps: [{ path: 'a', reason: 'limit' as const, detail: 'b' }] }]) {
    const text = sbomOf(each);
    assert.equal(text, canonicalJson(JSON.parse(text)));
  }
  const number = (text: string) => (JSON.parse(text) as { serialNumber: string }).serialNumber;
  assert.notEqual(number(sbomOf(options)), number(sbomOf({ ...options, subject: { type: 'container', name: 'other' } })));
});

test('nothing that matching needs is lost when it is read back', () => {
  const back = inventoryFromSbom(sbomOf({ ...options, sourceOnly: new Set(['pkg:npm/a@1.0.0']) }));
  assert.deepEqual(back.inventory.components, inventory.components);
  assert.deepEqual([...back.inventory.needs].sort(), [...inventory.needs].sort());
  assert.deepEqual([...back.sourceOnly], ['pkg:npm/a@1.0.0']);
});

test('the graph names everything once, and what nobody needs hangs at the subject', () => {
  const { dependencies } = JSON.parse(sbomOf(options)) as { dependencies: { ref: string; dependsOn?: string[] }[] };
  assert.equal(new Set(dependencies.map(({ ref }) => ref)).size, dependencies.length);
  assert.equal(dependencies.length, 1 + 2 + inventory.components.length);
  const [subject] = dependencies;
  assert.ok(subject?.dependsOn?.includes('./') && subject.dependsOn.includes('pkg:deb/debian/libssl3@3.0.9-1'));
});

for (const [name, text] of [
  ['no JSON', '{'],
  ['SPDX', '{"spdxVersion":"SPDX-2.3"}'],
  ['a list', '[]'],
] as const)
  test(`${name} is refused`, () => assert.throws(() => inventoryFromSbom(text), { code: 'INVALID_INPUT' }));
